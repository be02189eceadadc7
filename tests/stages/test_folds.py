"""The five folds of IEMOCAP as datasets of one run: every stage, the study, and the report that averages them."""

import io
import json

import numpy as np
import polars as pl
import pytest
import soundfile
from closure import ROOT
from made_up_iemocap import make_release
from ruamel.yaml import YAML

from erc_core.params.load import check_params
from erc_core.store.utterances import read_utterances
from stages import card, embed, evaluate, ingest, mel, report, resample, study, tokens, train

pytestmark = pytest.mark.slow

GROUP = "iemocap_folds"
SMALL = {
    "train": {"epochs": 1, "batch_size": 16},
    "evaluate": {"bootstrap_samples": 100},
    "study": {"seeds": 2, "run": ["full"]},
    "parallel": {"workers": 1},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a folder in which every stage ran for the five folds that params.yaml has."""
    root = tmp_path_factory.mktemp("project")
    sound = io.BytesIO()
    soundfile.write(sound, 0.3 * np.sin(np.arange(6400) / 8), 16000, format="WAV")
    make_release(root / "data/raw/iemocap", clips_of=sound.getvalue())
    tree = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    tree["datasets"] = tree["groups"][GROUP]
    for section, values in SMALL.items():
        tree[section] |= values
    tree["study"]["variants"]["full"] = {"points": {"T+A": {}}}
    tree["study"]["tables"]["ablation"]["variants"] = ["full"]
    params = check_params(tree)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for dataset in params.datasets:
            for stage in (ingest, resample, card, mel, tokens, embed, train, evaluate):
                stage.main(params, dataset)
            study.main(params, dataset, "full")
        report.main(params)
    return root


FOLDS = [f"iemocap_{fold}" for fold in range(1, 6)]


def test_each_fold_is_tested_on_its_own_session(project):
    for session, dataset in enumerate(FOLDS, start=1):
        test = read_utterances(project / "data" / dataset).filter(pl.col("split") == "test")
        assert {name[:5] for name in test["utterance_id"]} == {f"Ses0{session}"}


def test_speech_is_the_same_file_for_all_folds(project):
    assert len({(project / "data" / dataset / "audio.h5").read_bytes() for dataset in FOLDS}) == 1


def test_the_report_averages_the_folds(project):
    metrics = [json.loads((project / "reports" / fold / "metrics.json").read_text(encoding="utf-8")) for fold in FOLDS]
    table = pl.read_csv(project / f"reports/tables/{GROUP}_scores.csv")
    assert table["dataset"].to_list() == [*FOLDS, "mean", "sd"]
    for name in ("acc", "wf1", "macro_f1"):
        of_folds = [of_fold[name] for of_fold in metrics]
        assert table[name].to_list() == pytest.approx([*of_folds, np.mean(of_folds), np.std(of_folds, ddof=1)])
    page = (project / "reports/index.md").read_text(encoding="utf-8")
    assert page.index("## Group iemocap\\_folds") < page.index("## Dataset iemocap\\_1")


def test_the_study_is_averaged_over_folds_and_seeds(project):
    runs = [
        json.loads((project / f"data/study/{fold}/full/results.json").read_text(encoding="utf-8"))["points"][0]["runs"]
        for fold in FOLDS
    ]
    table = pl.read_csv(project / f"reports/tables/{GROUP}_comparison.csv").filter(pl.col("variant") == "full")
    of_seeds = np.mean([[run["wf1"] for run in of_fold] for of_fold in runs], axis=0)
    assert table["wf1_mean"].drop_nulls().to_list() == pytest.approx([of_seeds.mean()])
    assert table["wf1_sd"].drop_nulls().to_list() == pytest.approx([of_seeds.std(ddof=1)])


def test_the_card_names_the_scripts_on_both_sides(project):
    for dataset in FOLDS:
        assert r"script01\_1" in (project / "reports" / dataset / "data.md").read_text(encoding="utf-8")
