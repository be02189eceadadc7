from functools import partial
from typing import Any

import polars as pl
import pytest
from made_up_features import write_features

from erc_core.run.scratch import scratch_folder
from erc_core.study.results import read_predictions, read_results
from stages import study
from stages.study import main

pytestmark = pytest.mark.slow

POINTS = {"one block": {}, "untied": {"jfm.tied": False}, "no ICL": {"icl.weight": 0.0}}


@pytest.fixture
def make(make_params, tmp_path, monkeypatch):
    """Return a function from changes to parameters that features of a corpus, made_up, are there for."""
    monkeypatch.setenv("ERC_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.chdir(tmp_path)
    ingest = {"made_up": {"format": "meld"}}
    own: dict[str, Any] = {
        "study__base__jfm__n_blocks": 1,
        "study__seeds": 2,
        "study__run": ["own"],
        "parallel__workers": 2,
    }
    variants = {"full": {"points": {"T+A": {}}}, "own": {"points": POINTS}}

    def make(**changes):
        params = make_params(
            datasets=["made_up"],
            ingest=ingest,
            groups={},
            train__epochs=1,
            study__tables={},
            **{"study__variants": variants} | own | changes,
        )
        write_features(tmp_path / "data/made_up", {"train": 61, "dev": 20, "test": 20}, params)
        return params

    return make


def test_every_point_and_seed_is_trained_and_stands_under_its_own_name(make, capsys):
    main(make(), "made_up", "own")
    results, predictions = read_results("made_up", "own"), read_predictions("made_up", "own")
    assert (results.system, results.weights, results.splits["test"]) == ("jfm", "tiny (random weights)", 20)
    base, untied, no_icl = results.points
    assert [(point.point, point.changes) for point in results.points] == list(POINTS.items())
    assert (base.same_as_full, base.runs, base.latency_ms, base.parameters) == (True, [], None, None)
    assert untied.parameters > no_icl.parameters
    for point in (untied, no_icl):
        assert [run.seed for run in point.runs] == [0, 1]
        for run in point.runs:
            table = predictions.filter(pl.col("point") == point.point, pl.col("seed") == run.seed)
            best = table.select(f"p_{label}" for label in results.labels).to_numpy().argmax(axis=1)
            right = [results.labels[i] == gold for i, gold in zip(best, table["emotion"], strict=True)]
            assert run.acc == pytest.approx(sum(right) / 20)
    assert predictions.height == 4 * 20
    assert list(scratch_folder("train").iterdir()) == []
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "study made_up own one block: the full model, trained as variant full"
    assert [line.split(": test W-F1")[0] for line in lines[1:]] == [
        "study made_up own untied",
        "study made_up own no ICL",
    ]

    main(make(parallel__workers=1), "made_up", "own")
    assert read_predictions("made_up", "own").equals(predictions)


def test_the_longest_trainings_start_first(make, monkeypatch):
    class Stop(Exception):  # noqa: N818
        pass

    def places(work, tasks, workers):
        raise Stop(list(tasks), workers)

    monkeypatch.setattr(study, "run_in_forks", places)
    with pytest.raises(Stop) as stopped:
        main(make(), "made_up", "own")
    assert stopped.value.args == ([3, 2, 1, 0], 2)


def test_points_whose_modality_the_corpus_lacks_are_left_out_with_the_reason(make, monkeypatch, capsys):
    own = {"points": {"T": {"model.modality": "T"}, "A": {"model.modality": "A"}, "T+A": {}}}
    params = make(study__variants={"full": {"points": {"T+A": {}}}, "own": own}, study__seeds=1)
    for absent, named, trained in (("has_speech", "speech", "T"), ("has_text", "text", "A")):
        with monkeypatch.context() as patch:
            patch.setattr(study.FeatureSet, absent, False)
            main(params, "made_up", "own")
            main(params, "made_up", "full")
        points = {point.point: point for point in read_results("made_up", "own").points}
        assert [label for label, point in points.items() if point.runs] == [trained]
        assert all(point.left_out.startswith(named) for label, point in points.items() if label != trained)
        assert points[trained].left_out is None
        assert set(read_predictions("made_up", "own")["point"]) == {trained}
        assert (
            f"study made_up own T+A: left out for want of {named}: no training utterance has" in capsys.readouterr().out
        )
        (full,) = read_results("made_up", "full").points
        assert full.left_out.startswith(named)


def test_a_peer_says_what_it_is(make, make_params):
    """Its encoder's features are pretrained, BERT and ViT are not its own, and it computes in float32 whatever train says."""
    own = {"system": "scfa", "points": {"T": {"model.modality": "T"}}}
    own["settings"] = {"tiny": make_params().study.variants["scfa"].settings["tiny"] | {"epochs": 1}}
    variants = {"full": {"points": {"T+A": {}}}, "own": own}
    main(make(study__variants=variants, train__precision="bfloat16"), "made_up", "own")
    results = read_results("made_up", "own")
    assert results.precision == "float32"
    assert results.weights == "tiny (random weights; frozen text encoder alone)"
    assert "written anew after the paper" in results.differences
    (point,) = results.points
    assert point.activations_mb > 0
    assert [len(run.val_curve) for run in point.runs] == [len(run.loss_curve) for run in point.runs] == [1, 1]
    assert point.runs[0].val_curve[0] == pytest.approx(point.runs[0].val_wf1, abs=1e-4)


def test_weights_are_those_that_a_system_uses(make_params):
    params = make_params(backbone="paper")
    describe = partial(study.describe_weights, "paper", params.selected_backbone)
    assert describe(is_peer=False) == "paper (roberta-base, bert-base-uncased, vit_base_patch16_224)"
    assert describe(is_peer=True) == "paper (roberta-base; frozen text encoder alone)"
