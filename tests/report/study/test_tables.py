import itertools
import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import scipy.stats
from made_up_study import BASE, LABELS, TABLES, by_dialogue, study_params, write_study
from sklearn.metrics import accuracy_score, f1_score

from erc_core.errors import ErcError
from erc_core.params.training import EvaluateParams
from erc_core.report.study.tables import StudySource, make_tables
from erc_core.report.study.text import shown_tables
from erc_core.store.checksums import seal, unseal
from erc_core.store.tables import write_parquet
from erc_core.study.results import read_predictions, read_results

pytestmark = pytest.mark.slow

EVALUATE = EvaluateParams(bootstrap_samples=200, confidence=0.9, seed=3, batch_size=8)
SMALL = ["full", "jfm", "scfa", "multiemo", "without_jfm", "without_joint_vectors", "without_icl", "n_blocks"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a folder with the results of a study."""
    root = tmp_path_factory.mktemp("study")
    write_study(root, study_params(run=SMALL), n_dialogues=20)
    return root


@pytest.fixture
def tables(project, monkeypatch):
    """Return a function that makes tables by name, of the study in the folder unless another was written."""

    def make(study=None, *, dataset="demo", root=project, ingest_format="meld"):
        monkeypatch.chdir(root)
        study = study or study_params(run=SMALL)
        source = StudySource(
            dataset, ingest_format, dataset == "demo", study, EVALUATE, {name: read_results(dataset, name) for name in study.run},
            lambda variant: by_dialogue(dataset, variant),
        )  # fmt: skip
        return {table.name: table for table in make_tables(source)}

    return make


def change(root, variant, dataset="demo", **facts):
    path = root / "data/study" / dataset / variant / "results.json"
    path.write_text(json.dumps(seal(unseal(json.loads(path.read_text("utf-8"))) | facts)), encoding="utf-8")


def rows_of(table):
    return {(row.group, row.label): row for row in table.rows}


def holm(p_values):
    """Adjust p values one by one, as Holm's paper writes it."""
    order = np.argsort(p_values)
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, (len(p_values) - rank) * p_values[i])
        adjusted[i] = min(1.0, largest)
    return adjusted


def test_scores_and_tests_are_those_of_scipy_and_scikit_learn(tables, project):
    table = tables()["ablation"]
    assert [row.label for row in table.rows] == ["Full model", "w/o JFM", "w/o v_j", "w/o ICL"]
    runs = {}
    for name in ("full", "without_jfm", "without_joint_vectors", "without_icl"):
        (point,) = json.loads((project / f"data/study/demo/{name}/results.json").read_text("utf-8"))["points"]
        runs[name] = point["runs"]
    for metric in ("acc", "wf1"):
        scores = {name: [run[metric] for run in of_variant] for name, of_variant in runs.items()}
        p_t = []
        for row in table.rows:
            values = scores[row.variant]
            summary = row.scores[metric]
            low, high = scipy.stats.t.interval(0.9, 2, np.mean(values), scipy.stats.sem(values))
            assert (summary.mean, summary.sd) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
            assert (summary.low, summary.high) == pytest.approx((low, high))
            if not row.is_reference:
                difference = row.differences[metric]
                test = scipy.stats.ttest_rel(values, scores["full"])
                p_t.append(test.pvalue)
                assert (difference.mean, difference.p_t) == pytest.approx(
                    (np.mean(values) - np.mean(scores["full"]), test.pvalue)
                )
        found = [row.differences[metric] for row in table.rows[1:]]
        assert [difference.p_t_holm for difference in found] == pytest.approx(holm(p_t))
        p_bootstrap = [difference.p_bootstrap for difference in found]
        assert [difference.p_bootstrap_holm for difference in found] == pytest.approx(holm(p_bootstrap))
        assert [difference.star for difference in found] == [p < 0.05 for p in holm(p_t)]
    # the bootstrap is about the predictions averaged over the seeds
    best = {}
    for name in ("full", "without_jfm"):
        frame = read_predictions("demo", name)
        seeds = [frame.filter(seed=seed).sort("utterance_id") for seed in range(3)]
        mean = np.mean([part.select(f"p_{label}" for label in LABELS).to_numpy() for part in seeds], axis=0)
        best[name], gold = [LABELS[i] for i in mean.argmax(axis=1)], seeds[0]["emotion"].to_list()
    averaged = rows_of(table)["", "w/o JFM"].differences
    assert averaged["acc"].averaged == pytest.approx(
        accuracy_score(gold, best["without_jfm"]) - accuracy_score(gold, best["full"])
    )
    assert averaged["wf1"].averaged == pytest.approx(
        f1_score(gold, best["without_jfm"], average="weighted") - f1_score(gold, best["full"], average="weighted")
    )
    assert averaged["wf1"].low < averaged["wf1"].averaged < averaged["wf1"].high


def test_the_comparison_is_grouped_and_each_modality_has_its_reference(tables):
    table = tables()["comparison"]
    assert (table.kind, table.reference) == ("modalities", "JFM")
    assert [(row.group, row.label) for row in table.rows] == list(
        itertools.product(("T", "A", "T+A"), ("SCFA", "MultiEMO", "JFM"))
    )
    rows = rows_of(table)
    for group, label in itertools.product(("T", "A", "T+A"), ("SCFA", "MultiEMO")):
        ours, reference = rows[group, label], rows[group, "JFM"]
        assert ours.differences["acc"].mean == pytest.approx(ours.scores["acc"].mean - reference.scores["acc"].mean)
        assert not reference.differences
    # predictions are those of the row's own point
    best = {}
    for variant in ("scfa", "jfm"):
        table_A = read_predictions("demo", variant).filter(point="A").sort("utterance_id", "seed")
        mean = table_A.select(f"p_{label}" for label in LABELS).to_numpy().reshape(-1, 3, len(LABELS)).mean(axis=1)
        best[variant], gold = [LABELS[i] for i in mean.argmax(axis=1)], table_A["emotion"].to_list()[::3]
    assert rows["A", "SCFA"].differences["acc"].averaged == pytest.approx(
        accuracy_score(gold, best["scfa"]) - accuracy_score(gold, best["jfm"])
    )
    # one family over all six
    p_t = [row.differences["wf1"].p_t for row in table.compared]
    assert [row.differences["wf1"].p_t_holm for row in table.compared] == pytest.approx(holm(p_t))


def test_a_point_that_is_the_full_model_has_the_numbers_of_full(tables):
    made = tables()
    full = rows_of(made["ablation"])["", "Full model"]
    same = rows_of(made["comparison"])["T+A", "JFM"]
    assert (same.scores, same.cost, same.seeds) == (full.scores, full.cost, (0, 1, 2))
    swept = {row.value: row for row in made["n_blocks"].rows}
    assert list(swept) == [1, 2, 3, 4, 5]
    assert (swept[2].scores, swept[2].trained) == (full.scores, full.trained) == (full.scores, ("full", "whole"))
    assert swept[2].cost == replace(full.cost, peak_memory_mb=489)
    assert swept[3].seeds == (0,)
    assert swept[3].scores["acc"].sd is None
    assert not any(row.differences for row in swept.values())
    assert (swept[3].cost.parameters, swept[3].cost.peak_memory_mb, swept[3].cost.latency_ms) == (
        300_000,
        498.5,
        3.1416,
    )
    assert full.cost.peak_memory_mb == 491  # the largest of three seeds; in the sweep the other values have but one
    assert swept[2].cost.seconds_per_epoch == pytest.approx(2.75)

    without = tables(study_params(run=["jfm", "n_blocks"]))
    assert "full model" in rows_of(without["comparison"])["T+A", "JFM"].missing
    assert [row.value for row in without["n_blocks"].rows if row.missing] == [2]


def test_rows_come_from_params_and_not_from_files(tables):
    run = [name for name in SMALL if name != "without_icl"]  # its files lie there
    table = tables(study_params(run=[*run, "cfa", "concatenate"]))["ablation"]
    row = rows_of(table)["", "w/o ICL"]
    assert (row.missing, row.scores, row.cost) == ("not in study.run", {}, None)
    assert len(table.compared) == 2
    table = tables(study_params(run=[*run, "cfa", "concatenate"]))["fusion"]
    assert {row.missing for row in table.rows if not row.is_reference} == {"without results yet"}
    assert table.is_empty
    assert tables(study_params(run=[])) == {}


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"labels": ["joy", "neutral"]}, "other classes (joy, neutral)"),
        ({"splits": {"train": 2229, "dev": 327, "test": 3}}, "other splits (train 2,229, dev 327, test 3)"),
        ({"weights": "BERT"}, "other weights (BERT)"),
        ({"backbone": "paper"}, "other backbone (paper)"),
    ],
)
@pytest.mark.parametrize("variant", ["without_icl", "full"])
def test_no_table_mixes_what_cannot_be_compared(tables, tmp_path, variant, facts, reason):
    study = study_params(run=["full", "without_icl", "without_joint_vectors"])
    write_study(tmp_path, study, n_dialogues=5)
    change(tmp_path, variant, **facts)
    rows = rows_of(tables(study, root=tmp_path)["ablation"])
    if variant == "full":  # the reference sets what the table is about
        assert all(rows["", label].missing for label in ("w/o v_j", "w/o ICL"))
        assert rows["", "Full model"].missing is None
    else:
        assert reason in rows["", "w/o ICL"].missing
        assert not rows["", "w/o ICL"].scores
        assert rows["", "w/o v_j"].differences


def test_other_utterances_are_not_mixed_either(tables, tmp_path):
    study = study_params(run=["full", "without_icl", "without_joint_vectors"])
    write_study(tmp_path, study, n_dialogues=5)
    path = tmp_path / "data/study/demo/without_icl/predictions.parquet"
    renamed = pl.read_parquet(path).with_columns(utterance_id=pl.col("utterance_id") + "x")
    write_parquet(renamed, path)
    rows = rows_of(tables(study, root=tmp_path)["ablation"])
    assert "other test utterances" in rows["", "w/o ICL"].missing
    assert rows["", "w/o v_j"].differences

    lacking = renamed.filter((pl.col("seed") < 2) | (pl.col("utterance_id") != "test/dia0_utt0x"))
    write_parquet(lacking.with_columns(utterance_id=pl.col("utterance_id").str.strip_suffix("x")), path)
    with pytest.raises(ErcError, match="'without_icl': its predictions lack utterances of a seed"):
        tables(study, root=tmp_path)


def test_one_seed_has_no_spread_no_test_over_seeds_and_no_star(tables, tmp_path):
    study = study_params(run=["full", "without_jfm"], seeds=1)
    write_study(tmp_path, study, skills={"full": 0.95, "without_jfm": 0.2})
    table = tables(study, root=tmp_path)["ablation"]
    row = rows_of(table)["", "w/o JFM"]
    assert not table.has_seeds
    for metric in ("acc", "wf1"):
        difference = row.differences[metric]
        assert (row.scores[metric].sd, row.scores[metric].low) == (None, None)
        assert (difference.p_t, difference.p_t_holm, difference.star) == (None, None, False)
        assert difference.p_bootstrap_holm < 0.05
        assert difference.averaged == pytest.approx(difference.mean)


def test_a_clear_difference_over_seeds_gets_a_star(tables, tmp_path):
    study = study_params(run=["full", "without_jfm"])
    write_study(tmp_path, study, skills={"full": 0.95, "without_jfm": 0.2})
    row = rows_of(tables(study, root=tmp_path)["ablation"])["", "w/o JFM"]
    assert row.differences["acc"].star
    assert row.differences["acc"].mean < -0.4


def test_without_the_reference_rows_are_shown_and_not_compared(tables):
    table = tables(study_params(run=["without_jfm", "without_icl"]))["ablation"]
    rows = rows_of(table)
    assert rows["", "Full model"].missing == "not in study.run"
    assert "no numbers" in rows["", "w/o JFM"].not_compared
    assert rows["", "w/o JFM"].scores
    assert table.compared == []


def test_only_seeds_that_both_have_are_paired(tables, tmp_path):
    study = study_params(run=["full", "without_icl"])
    write_study(tmp_path, study, n_dialogues=5)
    path = tmp_path / "data/study/demo/without_icl/results.json"
    whole = json.loads(path.read_text("utf-8"))
    (point,) = whole["points"]
    change(tmp_path, "without_icl", points=[point | {"runs": point["runs"][1:]}])
    row = rows_of(tables(study, root=tmp_path)["ablation"])["", "w/o ICL"]
    full = json.loads((tmp_path / "data/study/demo/full/results.json").read_text("utf-8"))["points"][0]["runs"]
    expected = np.mean([a["acc"] - b["acc"] for a, b in zip(point["runs"][1:], full[1:], strict=True)])
    assert row.differences["acc"].mean == pytest.approx(expected)
    other = [run | {"seed": run["seed"] + 10} for run in point["runs"]]
    change(tmp_path, "without_icl", points=[point | {"runs": other}])
    row = rows_of(tables(study, root=tmp_path)["ablation"])["", "w/o ICL"]
    assert "no seed is in common" in row.not_compared
    assert not row.differences


def test_the_paper_stands_beside_its_own_corpora_only(tables, tmp_path):
    study = study_params(run=["full", "jfm", "without_icl"])
    write_study(tmp_path, study, "friends", n_dialogues=5)
    made = tables(study, dataset="friends", root=tmp_path)
    row = rows_of(made["comparison"])["T", "JFM"]
    assert row.paper == {"acc": 0.6282, "wf1": 0.6068}
    assert row.paper_gap("acc", "comparison") == pytest.approx(row.scores["acc"].mean - 0.6282)
    # what the paper does not print has no gap, and a row without numbers keeps what is printed
    missing = rows_of(made["comparison"])["T", "MultiEMO"]
    assert (missing.paper, missing.paper_gap("wf1", "comparison")) == ({"wf1": 0.6123}, None)
    # tables of differences: gap between differences
    row = rows_of(made["ablation"])["", "w/o ICL"]
    assert row.paper == {"acc": -0.0097, "wf1": -0.0084}
    assert row.paper_gap("acc", "ablation") == pytest.approx(row.differences["acc"].mean + 0.0097)
    assert not rows_of(made["ablation"])["", "Full model"].paper
    assert not any(
        table.has_paper for table in tables(study, dataset="friends", root=tmp_path, ingest_format="table").values()
    )
    # seven classes are not the paper's IEMOCAP
    assert not any(
        table.has_paper for table in tables(study, dataset="friends", root=tmp_path, ingest_format="iemocap").values()
    )


def test_the_demo_corpus_is_not_meld(tables):
    assert not any(table.has_paper for table in tables().values())


def test_tables_of_a_users_own(tables, tmp_path):
    """Check a parameter of words, which makes rows, and one sweep over two systems, which makes groups."""
    words = {"points": {"first": {"jfm.layers": "first"}, "last": {"jfm.layers": "last"}}}
    deep = {"points": {n: {"jfm.tied": False, "jfm.n_blocks": n} for n in (1, 2)}, "sweep": True}
    own = {
        "layers": {"title": "layers", "variants": ["layers"], "labels": {"layers": "layers"}},
        "blocks": {
            "title": "blocks",
            "variants": ["n_blocks", "deep"],
            "labels": {"n_blocks": "tied", "deep": "untied"},
        },
    }
    study = study_params(run=["full", "layers", "n_blocks", "deep"], tables=TABLES | own, layers=words, deep=deep)
    write_study(tmp_path, study, n_dialogues=5)
    made = tables(study, root=tmp_path)
    assert [row.label for row in made["layers"].rows] == ["Full model", "layers, first", "layers, last"]
    first = rows_of(made["layers"])["", "layers, first"]
    assert BASE["jfm"]["layers"] == "first"
    assert first.differences["acc"].mean == 0  # it is the full model
    assert first.differences["acc"].p_t == 1
    assert [(row.group, row.value) for row in made["blocks"].rows] == [
        *(("tied", n) for n in (1, 2, 3, 4, 5)), ("untied", 1), ("untied", 2),
    ]  # fmt: skip
    assert made["blocks"].key == "jfm.n_blocks"


def test_where_the_numbers_come_from(tables, tmp_path):
    study = study_params(run=["full", "without_icl"])
    write_study(tmp_path, study, n_dialogues=5)
    change(tmp_path, "without_icl", device="NVIDIA H100", commit=None)
    full, icl = (row.origin for row in tables(study, root=tmp_path)["ablation"].rows if row.origin)
    assert (full.device, icl.device) == ("CPU: AMD EPYC, 1 threads", "NVIDIA H100")
    assert (full.commit, icl.commit) == ("0123456789ab", "not recorded")
    assert (full.precision, full.system, full.differences) == ("float32", "jfm", ())


def test_a_peer_without_bert_and_vit_stands_beside_the_model(tables, tmp_path):
    study = study_params(run=["full", "jfm", "scfa"])
    write_study(tmp_path, study, n_dialogues=5)
    change(tmp_path, "scfa", weights="RoBERTa alone")
    row = rows_of(tables(study, root=tmp_path)["comparison"])["T", "SCFA"]
    assert row.missing is None
    assert row.differences
    assert row.origin.weights == "RoBERTa alone"


def test_peaks_of_memory_without_a_seed_in_common_are_not_compared(tables, tmp_path):
    study = study_params(run=["full", "without_icl"])
    write_study(tmp_path, study, n_dialogues=5)
    path = tmp_path / "data/study/demo/without_icl/results.json"
    (point,) = json.loads(path.read_text("utf-8"))["points"]
    change(
        tmp_path, "without_icl", points=[point | {"runs": [run | {"seed": run["seed"] + 10} for run in point["runs"]]}]
    )
    rows = [row for row in tables(study, root=tmp_path)["ablation"].rows if row.cost]
    assert [row.cost.peak_memory_mb for row in rows] == [None, None]


def test_points_that_the_corpus_has_no_modality_for_are_rows_with_that_reason(tmp_path, tables):
    study = study_params(run=SMALL)
    write_study(tmp_path, study, n_dialogues=6)
    reason = "speech: no training utterance has a usable clip"
    for variant in study.run:
        path = tmp_path / "data/study/demo" / variant / "results.json"
        points = json.loads(path.read_text("utf-8"))["points"]
        for point in points:
            if point["point"] != "T":
                point |= {"left_out": reason, "runs": [], "parameters": None, "latency_ms": None}
        change(tmp_path, variant, points=points)
    made = tables(study, root=tmp_path)
    comparison = rows_of(made["comparison"])
    assert {key for key, row in comparison.items() if row.scores} == {
        ("T", label) for label in ("SCFA", "MultiEMO", "JFM")
    }
    assert {row.missing for row in comparison.values()} == {None, f"left out for want of {reason}"}
    assert all(made[name].is_empty for name in ("ablation", "n_blocks"))
    assert rows_of(made["ablation"])["", "Full model"].missing == f"left out for want of {reason}"


def test_few_speakers_have_no_bootstrap_and_the_notes_say_why(project, monkeypatch):
    monkeypatch.chdir(project)
    study = study_params(run=["full", "without_icl"])

    def of_two_speakers(variant):
        by_half = pl.col("dialogue_id").str.ends_with("1").cast(pl.String)
        return read_predictions("demo", variant).with_columns(unit=by_half)

    results = {name: read_results("demo", name) for name in study.run}
    source = StudySource("demo", "meld", True, study, EVALUATE, results, of_two_speakers, "speaker")
    (table,) = (table for table in make_tables(source) if table.name == "ablation")
    (row,) = table.compared
    for difference in row.differences.values():
        assert (difference.low, difference.p_bootstrap, difference.p_bootstrap_holm) == (None, None, None)
        assert difference.p_t_holm is not None
    shown = shown_tables(table, EVALUATE)[1]
    assert "No interval and no bootstrap: the test split has 2 speakers, and" in shown.notes[0]
    assert "with the p values of tests over seeds." in shown.caption
    assert "resample" not in shown.notes[0].split(" No interval")[0]
