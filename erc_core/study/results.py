"""What a variant's trainings gave: one JSON file of scores and costs, one table of predictions.

data/study/<dataset>/<variant>/results.json and predictions.parquet
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import polars as pl

from erc_core.store.records import Record
from erc_core.store.tables import read_parquet, write_parquet
from erc_core.training.record import StoppedBy

RESULTS_FILE = "results.json"
PREDICTIONS_FILE = "predictions.parquet"


class Run(Record):
    """One training; scores are fractions, of the test split where they do not say otherwise."""

    seed: int  # of its weights, order of batches and dropout
    acc: float
    wf1: float
    macro_f1: float  # mean F1 of the classes that occur
    val_wf1: float  # on the validation split, of the chosen epoch
    temperature: float  # of the probabilities in predictions.parquet, fitted on the validation split
    best_epoch: int  # the chosen one, from 1
    epochs: int  # that ran
    stopped_by: StoppedBy
    val_curve: list[float]  # W-F1 on the validation split after each epoch
    loss_curve: list[float | None]  # mean training loss of each epoch
    seconds: float  # wall time of the training
    seconds_per_epoch: float
    peak_memory_mb: float  # most memory that the training took, MiB
    memory: Literal["gpu", "resident"]  # allocated on the card; of the process, beyond what it held before the training


class PointResults(Record):
    """One configuration of a variant."""

    point: str  # its label
    changes: dict[str, int | float | bool | str | None]  # of study.base
    same_as_full: bool  # whether it is the full model, and was not trained again
    left_out: str | None  # why it was not trained: what it reads and the corpus lacks; None where it could be
    parameters: int | None  # numbers in the model
    trained_parameters: int | None
    latency_ms: float | None  # median time for one utterance, a batch of one (of a dialogue's: its share)
    activations_mb: float | None  # the most that a step keeps for its backward pass, counted, MiB; without weights
    runs: list[Run]  # one for each seed


class VariantResults(Record):
    """All points of a variant on one dataset, and what they were made with."""

    dataset: str
    variant: str
    system: str
    differences: list[str]  # of a peer: how it differs from its authors' system
    labels: list[str]
    weights: str  # those that the system uses, in words
    backbone: str
    device: str
    precision: str  # in which it computes: float32 or bfloat16
    commit: str | None
    versions: dict[str, str]
    splits: dict[str, int]
    points: list[PointResults]


def study_folder(dataset: str, variant: str) -> Path:
    """Return the folder of a variant's results."""
    return Path("data/study") / dataset / variant


def prediction_schema(labels: Sequence[str]) -> pl.Schema:
    """Return the columns of predictions.parquet: one training's probability of every label for one utterance."""
    text = pl.String()
    utterance = {"utterance_id": text, "dialogue_id": text, "emotion": text}
    return pl.Schema({"point": text, "seed": pl.Int64()} | utterance | {f"p_{label}": pl.Float32() for label in labels})


def write_results(results: VariantResults, predictions: pl.DataFrame) -> None:
    """Write a variant's results, and its predictions with the columns of prediction_schema."""
    folder = study_folder(results.dataset, results.variant)
    write_parquet(predictions, folder / PREDICTIONS_FILE)
    results.write_json(folder / RESULTS_FILE)


def read_results(dataset: str, variant: str) -> VariantResults | None:
    """Return a variant's results; None where it has no folder, as it was not trained.

    Raises:
        ErcError: The file is missing from the folder, or damaged.
    """
    folder = study_folder(dataset, variant)
    return VariantResults.read_json(folder / RESULTS_FILE, "study") if folder.exists() else None


def read_predictions(dataset: str, variant: str) -> pl.DataFrame:
    """Return a variant's predictions.

    Raises:
        ErcError: The file is missing or damaged, or has other columns than those of the results beside it.
    """
    results = read_results(dataset, variant)
    schema = prediction_schema(results.labels) if results else None
    return read_parquet(study_folder(dataset, variant) / PREDICTIONS_FILE, "study", schema)
