import json

import pytest

from erc_core.errors import ErcError
from erc_core.evaluation.records import Metrics, RunFacts
from erc_core.store.checksums import seal

METRICS = Metrics(
    acc=0.5, acc_high=0.6, acc_low=0.4, macro_f1=0.3, macro_f1_high=None, macro_f1_low=None, n=12, wf1=0.45, wf1_high=0.5,
    wf1_low=0.4,
)  # fmt: skip
SPLIT = {"utterances": 3, "dialogues": 1, "speakers": 2, "hours": 0.1, "emotions": {"joy": 3, "fear": 0}}
FACTS = {
    "dataset": "mine", "synthetic": False, "labels": ["joy", "fear"], "modality": "T", "unit": "dialogue", "backbone": "tiny", "weights": "random",
    "splits": {"train": SPLIT, "dev": SPLIT, "test": SPLIT}, "clips": {"ok": 8, "silent": 1},
    "problems": [{"utterance_id": "u", "split": "dev", "status": "silent", "detail": None, "action": "text only"}],
    "truncated_texts": 0, "ingest": {"rows": 9}, "training": {"seed": 0}, "versions": {"torch": "2"}, "commit": None,
    "params": {"train": {"lr": "auto"}}, "files": {"a": "0"},
}  # fmt: skip


def test_metrics_are_read_as_they_were_written_and_scores_have_their_interval(tmp_path):
    METRICS.write(tmp_path)
    assert Metrics.read(tmp_path) == METRICS
    keys = list(json.loads((tmp_path / "metrics.json").read_text()))
    assert keys == sorted(keys)
    assert METRICS.score("acc") == (0.5, 0.4, 0.6)
    assert METRICS.score("macro_f1") == (0.3, None, None)


def test_facts_are_read_as_they_were_written(tmp_path):
    facts = RunFacts.model_validate(FACTS)
    facts.write(tmp_path)
    assert json.loads((tmp_path / "data/results/mine.json").read_text()) == seal(FACTS)
    assert RunFacts.read("mine", tmp_path) == facts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["joy", "joy"]}, "names a label twice"),
        ({"labels": []}, "labels: "),
        ({"splits": {"train": SPLIT, "test": SPLIT}}, "has no split 'dev'"),
        ({"more": 1}, "more: "),
    ],
)
def test_facts_that_are_not_whole_are_refused(tmp_path, change, message):
    path = tmp_path / "data/results/mine.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(FACTS | change))
    with pytest.raises(
        ErcError, match=r"mine\.json: damaged .*; the stage evaluate makes it; run `python -m"
    ) as raised:
        RunFacts.read("mine", tmp_path)
    assert message in str(raised.value)
