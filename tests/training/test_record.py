import re
from functools import partial

import polars as pl
import pytest

from erc_core.errors import ErcError
from erc_core.store.checksums import file_checksum
from erc_core.training.record import Epoch, TrainingRecord, read_history, write_history

HISTORY = [Epoch(1, 2e-3, 1.5, 1.0, 5.0, 1.25, 0.5, 1 / 3), Epoch(2, 0.0, 1.0, 0.5, 5.0, 1.0, 0.75, 0.1)]
RECORD = TrainingRecord(
    seed=0,
    best_epoch=1,
    epochs=2,
    stopped_by="epochs",
    val_acc=0.5,
    val_wf1=1 / 3,
    parameters=10,
    trained_parameters=8,
    seconds=1.5,
    seconds_per_epoch=0.75,
    precision="float32",
    device="a processor",
    python="3.11",
    history="",
)


def of_history(folder):
    """Return the record that knows the history in a folder."""
    return RECORD.model_copy(update={"history": file_checksum(folder / "history.csv")})


def test_what_is_written_is_read(tmp_path):
    write_history(tmp_path, HISTORY)
    record = of_history(tmp_path)
    record.write(tmp_path)
    assert TrainingRecord.read(tmp_path) == record
    assert [Epoch(*row) for row in read_history(tmp_path, record).rows()] == HISTORY
    assert (tmp_path / "history.csv").read_text().startswith("epoch,lr,train_loss,train_erc,train_icl,val_loss,")


def test_whole_numbers_in_a_column_of_fractions_are_fractions(tmp_path):
    (tmp_path / "history.csv").write_text(
        "epoch,lr,train_loss,train_erc,train_icl,val_loss,val_acc,val_wf1\n1,0,1,1,0,2,1,1\n"
    )
    assert read_history(tmp_path, of_history(tmp_path)).dtypes == [pl.Int64, *[pl.Float64] * 7]


@pytest.mark.parametrize("read", [TrainingRecord.read, partial(read_history, record=RECORD)])
def test_a_missing_file_names_the_stage(tmp_path, read):
    with pytest.raises(ErcError, match="not found; the stage train makes it"):
        read(tmp_path)


HEAD = "epoch,lr,train_loss,train_erc,train_icl,val_loss,val_acc,val_wf1\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is not the CSV file expected: "),
        ("epoch,lr\n1,0.1\n", "has no column 'train_loss'; "),
        (HEAD, "has no rows; "),
        (HEAD + ",2,3,4,5,6,7,8\n", "has an empty cell in column 'epoch'; "),
        (HEAD + "1,2,3,x,5,6,7,8\n", "is not the CSV file expected: "),
        (HEAD + "2,2,3,4,5,6,7,8\n", "lacks epoch 1, the chosen one; "),
        (HEAD + "1,2,3,4,5,6,7,8\n", "damaged (its checksum is not that of its content); "),
    ],
)
def test_a_damaged_history_is_one_clear_error(tmp_path, content, problem):
    (tmp_path / "history.csv").write_text(content)
    with pytest.raises(ErcError, match=re.escape(f"{tmp_path / 'history.csv'}: {problem}")) as caught:
        read_history(tmp_path, RECORD)
    assert "; the stage train makes it; run `python -m erc_core.run.mend" in str(caught.value)


def test_an_epoch_that_diverged_has_cells_without_a_value(tmp_path):
    (tmp_path / "history.csv").write_text(HEAD + "1,2,3,,5,6,7,8\n")
    assert read_history(tmp_path, of_history(tmp_path))["train_erc"].to_list() == [None]
