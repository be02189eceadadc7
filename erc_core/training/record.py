"""What a training leaves for those who read about it: training.json, history.csv."""

from pathlib import Path
from typing import Self

import polars as pl
from pydantic import FiniteFloat

from erc_core.store.records import Record
from erc_core.store.tables import read_csv

TRAINING_FILE, HISTORY_FILE = "training.json", "history.csv"
HISTORY_COLUMNS = pl.Schema(
    {"epoch": pl.Int64()}
    | dict.fromkeys(
        ("lr", "train_loss", "train_erc", "train_icl", "val_loss", "val_acc", "val_wf1"),
        pl.Float64(),
    )
)


class TrainingRecord(Record):
    """training.json: the training whose model is evaluated."""

    seed: int
    best_epoch: int
    epochs: int
    val_acc: FiniteFloat
    val_wf1: FiniteFloat
    parameters: int
    trained_parameters: int
    seconds: FiniteFloat
    seconds_per_epoch: FiniteFloat
    precision: str
    device: str
    python: str

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read folder/training.json."""
        return cls.read_json(folder / TRAINING_FILE, "train")


def read_history(folder: Path) -> pl.DataFrame:
    """Read folder/history.csv: a row for each epoch; values that were not recorded are null."""
    return read_csv(folder / HISTORY_FILE, HISTORY_COLUMNS, set(HISTORY_COLUMNS) - {"epoch"}, "train")
