"""A group of datasets against averages that are computed here, from the same made-up folds."""

import numpy as np
import polars as pl
import pytest
from made_up_study import LABELS, by_dialogue, study_params, write_study

from erc_core.errors import ErcError
from erc_core.params.training import EvaluateParams
from erc_core.report.study.groups import pool_predictions, pool_results
from erc_core.report.study.tables import StudySource, make_tables
from erc_core.study.results import read_predictions, read_results

pytestmark = pytest.mark.slow

FOLDS = ("fold_1", "fold_2")
STUDY = study_params(run=["full", "without_icl"])
EVALUATE = EvaluateParams(bootstrap_samples=200, confidence=0.9, seed=3, batch_size=8)


@pytest.fixture
def folds(tmp_path, monkeypatch):
    for n_dialogues, fold in zip((9, 5), FOLDS, strict=True):
        write_study(tmp_path, STUDY, fold, n_dialogues=n_dialogues)
    monkeypatch.chdir(tmp_path)


def results(variant="without_icl"):
    return [read_results(fold, variant) for fold in FOLDS]


def predictions(variant="without_icl"):
    return pool_predictions({fold: by_dialogue(fold, variant) for fold in FOLDS})


def test_scores_of_a_seed_are_averaged_every_fold_alike(folds):
    pooled = pool_results("folds", results())
    assert (pooled.dataset, pooled.variant) == ("folds", "without_icl")
    for metric in ("acc", "wf1", "macro_f1", "val_wf1"):
        by_fold = [[getattr(run, metric) for run in fold.points[0].runs] for fold in results()]
        assert [getattr(run, metric) for run in pooled.points[0].runs] == pytest.approx(np.mean(by_fold, axis=0))
    assert not any(run.val_curve for run in pooled.points[0].runs)  # epochs of several trainings are no curve
    memory = [[run.peak_memory_mb for run in fold.points[0].runs] for fold in results()]
    assert [run.peak_memory_mb for run in pooled.points[0].runs] == np.max(memory, axis=0).tolist()
    assert pooled.splits["test"] == sum(fold.splits["test"] for fold in results())


def test_predictions_of_all_folds_stand_together_and_apart(folds):
    pooled = predictions()
    apart = [read_predictions(fold, "without_icl") for fold in FOLDS]
    assert len(pooled) == sum(map(len, apart))
    assert pooled["dialogue_id"].n_unique() == sum(table["dialogue_id"].n_unique() for table in apart)
    assert pooled["utterance_id"][0] == f"fold_1/{apart[0]['utterance_id'][0]}"
    own = ["utterance_id", "dialogue_id"]
    assert pooled.drop(*own, "unit").equals(pl.concat(apart).drop(own))


def test_a_table_of_the_group_has_its_mean_deviation_and_tests(folds):
    pooled = {variant: pool_results("folds", results(variant)) for variant in STUDY.run}
    source = StudySource("folds", "table", False, STUDY, EVALUATE, pooled, predictions)
    (table,) = (table for table in make_tables(source) if table.name == "ablation")
    row = next(row for row in table.rows if row.label == "w/o ICL")
    by_fold = [[run.acc for run in fold.points[0].runs] for fold in results()]
    assert (row.scores["acc"].mean, row.scores["acc"].n) == (pytest.approx(np.mean(by_fold)), 3)
    assert row.scores["acc"].sd == pytest.approx(np.std(np.mean(by_fold, axis=0), ddof=1))
    assert row.differences["acc"].p_bootstrap is not None


def test_seeds_and_points_that_a_fold_lacks_are_left_out(folds):
    first, second = results()
    runs = second.points[0].runs[1:]
    second = second.model_copy(update={"points": [second.points[0].model_copy(update={"runs": runs})]})
    assert [run.seed for run in pool_results("folds", [first, second]).points[0].runs] == [1, 2]
    assert pool_results("folds", [first, second.model_copy(update={"points": []})]).points == []


def test_a_fold_without_results_leaves_the_group_without(folds):
    assert pool_results("folds", [results()[0], None]) is None


def test_a_single_dataset_stays_as_it_is(folds):
    assert pool_results("fold_1", results()[:1]) == results()[0]
    alone = read_predictions("fold_1", "full")
    assert pool_predictions({"fold_1": alone}) is alone


def test_folds_of_other_classes_are_refused_with_both(folds):
    other = results()[1].model_copy(update={"labels": [*LABELS[:-1], "calm"]})
    with pytest.raises(
        ErcError, match=r"groups\.folds: fold_1 has the classes .* fold_2 has .*calm.* take one of them out"
    ):
        pool_results("folds", [results()[0], other])


def test_what_differs_between_the_folds_is_named(folds):
    first, second = results()
    pooled = pool_results("folds", [first, second.model_copy(update={"precision": "bfloat16", "commit": None})])
    assert pooled.precision == "float32; bfloat16"
    assert pooled.commit == f"{first.commit}; not recorded"
    assert pooled.weights == first.weights
