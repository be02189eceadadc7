"""What a training leaves for the report: training.json, and history.csv, a row for each epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, get_type_hints

import polars as pl

from erc_core.errors import damaged
from erc_core.run.atomic import atomic_file
from erc_core.store.checksums import WRONG, file_checksum
from erc_core.store.records import Record
from erc_core.store.tables import read_csv

TRAINING_FILE = "training.json"
HISTORY_FILE = "history.csv"

# what ended a training: no better epoch for train.patience epochs, or their largest number
StoppedBy = Literal["patience", "epochs"]


class TrainingRecord(Record):
    """reports/<dataset>/training.json.

    Scores are fractions, of the chosen epoch (from 1) on the validation split; seconds are wall time, without that between an
    interruption and its end; trained_parameters are those not frozen; precision is float32 or bfloat16; device and python are
    words; history is the checksum of history.csv.
    """

    seed: int
    best_epoch: int
    epochs: int
    stopped_by: StoppedBy
    val_acc: float
    val_wf1: float
    parameters: int
    trained_parameters: int
    seconds: float
    seconds_per_epoch: float
    precision: str
    device: str
    python: str
    history: str

    def write(self, folder: Path) -> None:
        """Write folder/training.json."""
        self.write_json(folder / TRAINING_FILE)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read folder/training.json.

        Raises:
            ErcError: It is missing or damaged.
        """
        return cls.read_json(folder / TRAINING_FILE, "train")


@dataclass(frozen=True)
class Epoch:
    """One row of history.csv: lr is that of the last step, losses are means over batches, scores are fractions."""

    epoch: int
    lr: float
    train_loss: float
    train_erc: float
    train_icl: float
    val_loss: float
    val_acc: float
    val_wf1: float


HISTORY_SCHEMA = pl.Schema(
    {name: pl.Int64 if kind is int else pl.Float64 for name, kind in get_type_hints(Epoch).items()}
)


def write_history(folder: Path, history: Sequence[Epoch]) -> None:
    """Write folder/history.csv, whole: it is written again after every epoch, while others read it."""
    with atomic_file(folder / HISTORY_FILE) as partial:
        pl.DataFrame(history, schema=HISTORY_SCHEMA).write_csv(partial)


def read_history(folder: Path, record: TrainingRecord) -> pl.DataFrame:
    """Read folder/history.csv, in the columns of Epoch; a training that diverged left cells without a value.

    Raises:
        ErcError: It is missing or damaged, has no row, or is not the file that the record was written beside.
    """
    path = folder / HISTORY_FILE
    # what is no history is told by its place, as in a record, and what is one by the checksum
    history = read_csv(path, HISTORY_SCHEMA, HISTORY_SCHEMA.keys() - {"epoch"}, "train")
    if record.best_epoch not in history["epoch"]:
        raise damaged(path, f"lacks epoch {record.best_epoch}, the chosen one", "train")
    if file_checksum(path) != record.history:
        raise damaged(path, f"damaged ({WRONG})", "train")
    return history
