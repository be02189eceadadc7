import polars as pl
import pytest
from made_up_study import LABELS, study_params, write_study

from erc_core.errors import ErcError
from erc_core.store.tables import write_parquet
from erc_core.study.results import PREDICTIONS_FILE, RESULTS_FILE, read_predictions, read_results, study_folder


def test_a_variant_that_was_not_trained_has_no_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_results("demo", "full") is None


def test_a_folder_without_its_results_is_damage_and_no_variant_that_was_not_trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study_folder("demo", "full").mkdir(parents=True)
    with pytest.raises(ErcError, match=f"{RESULTS_FILE}: not found; the stage study makes it: run `dvc repro`"):
        read_results("demo", "full")


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (lambda table: table.select("utterance_id", "dialogue_id", "emotion"), "point"),
        (lambda table: table.drop(f"p_{LABELS[-1]}"), f"p_{LABELS[-1]}"),
        (lambda table: table.with_columns(pl.col("seed").cast(pl.String)), "seed"),
        (lambda table: table.with_columns(p_other=0.5), "one too many"),
    ],
)
def test_a_whole_table_with_other_columns_is_refused(tmp_path, monkeypatch, change, column):
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, study_params(run=["full"]), n_dialogues=2)
    path = study_folder("demo", "full") / PREDICTIONS_FILE
    write_parquet(change(read_predictions("demo", "full")), path)
    with pytest.raises(
        ErcError, match=f"{path}: has not the columns expected \\({column}\\); the stage study makes it; run "
    ):
        read_predictions("demo", "full")
