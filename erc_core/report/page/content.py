"""What the report knows about one dataset: its input files, read and checked."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from erc_core.errors import ErcError
from erc_core.evaluation.write import PREDICTION_COLUMNS
from erc_core.run.paths import reports_folder, results_file

PER_CLASS_COLUMNS = {
    "emotion": pl.String,
    "precision": pl.Float64,
    "recall": pl.Float64,
    "f1": pl.Float64,
    "f1_low": pl.Float64,
    "f1_high": pl.Float64,
    "support": pl.Int64,
}
HISTORY_COLUMNS = {
    "epoch": pl.Int64,
    "lr": pl.Float64,
    "train_loss": pl.Float64,
    "train_erc": pl.Float64,
    "train_icl": pl.Float64,
    "val_loss": pl.Float64,
    "val_acc": pl.Float64,
    "val_wf1": pl.Float64,
}


class _Record(BaseModel):
    """A part of a JSON file; keys that the report does not show are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Metrics(_Record):
    """metrics.json: fractions from 0 to 1; an end of an interval is None where the split has a single dialogue."""

    acc: FiniteFloat
    acc_low: FiniteFloat | None
    acc_high: FiniteFloat | None
    wf1: FiniteFloat
    wf1_low: FiniteFloat | None
    wf1_high: FiniteFloat | None
    macro_f1: FiniteFloat
    macro_f1_low: FiniteFloat | None
    macro_f1_high: FiniteFloat | None
    n: int


class SplitSummary(_Record):
    """One split of the corpus, in numbers."""

    utterances: int
    dialogues: int
    speakers: int
    hours: FiniteFloat
    emotions: dict[str, int]


class Problem(_Record):
    """A clip that is not ordinary speech, and what was done about it."""

    utterance_id: str
    split: str
    status: str
    detail: str | None = None
    action: str


class TrainingSummary(_Record):
    """The training run whose model was evaluated."""

    seed: int
    best_epoch: int
    epochs: int
    val_wf1: FiniteFloat
    parameters: int
    trained_parameters: int
    device: str
    precision: str
    seconds: FiniteFloat


class Results(_Record):
    """data/results/<dataset>.json: what the stages before the report leave in words and numbers."""

    dataset: str
    synthetic: bool
    labels: list[str] = Field(min_length=1)
    modality: str
    backbone: str
    splits: dict[str, SplitSummary]
    clips: dict[str, int]
    problems: list[Problem]
    truncated_texts: int
    ingest: dict[str, Any]
    training: TrainingSummary
    weights: str | list[str] | dict[str, str]
    versions: dict[str, str]
    commit: str | None
    params: dict[str, Any]
    files: dict[str, str]


RecordT = TypeVar("RecordT", bound=_Record)


@dataclass(frozen=True)
class DatasetContent:
    """All that the report shows of one dataset.

    Attributes:
        dataset: Its name in params.yaml.
        metrics: Scores on the test split with intervals.
        per_class: Scores of each class, one row per label, in the order of `results.labels`.
        predictions: One row per test utterance, see evaluation.write.
        history: One row per epoch.
        results: Everything else.
    """

    dataset: str
    metrics: Metrics
    per_class: pl.DataFrame
    predictions: pl.DataFrame
    history: pl.DataFrame
    results: Results

    @property
    def labels(self) -> list[str]:
        """Label names, the most frequent first."""
        return self.results.labels

    @property
    def n_dialogues(self) -> int:
        """Number of dialogues in the test split."""
        return self.predictions["dialogue_id"].n_unique()


def load_content(dataset: str, root: Path = Path()) -> DatasetContent:
    """Read and check the inputs of one dataset.

    Args:
        dataset: Its name in params.yaml.
        root: The project's folder.

    Returns:
        The content.

    Raises:
        ErcError: A file is missing or damaged, or does not fit the others; the message names the file and the stage
            to run.
    """
    folder = root / reports_folder(dataset)
    results_path = root / results_file(dataset)
    results = _read_json(results_path, Results)
    labels = results.labels
    metrics = _read_json(folder / "metrics.json", Metrics)
    per_class = _read_csv(folder / "per_class.csv", PER_CLASS_COLUMNS, may_be_empty={"f1_low", "f1_high"})
    history = _read_csv(folder / "history.csv", HISTORY_COLUMNS, may_be_empty=set(HISTORY_COLUMNS) - {"epoch"})
    probabilities = {f"p_{label}": pl.Float64 for label in labels}
    predictions = _read_csv(
        folder / "predictions.csv", PREDICTION_COLUMNS | probabilities, may_be_empty={"text", "speaker"}
    ).with_columns(pl.col("text", "speaker").fill_null(""))

    if len(set(labels)) < len(labels):
        raise _damaged(results_path, "names a label twice")
    missing = [name for name in ("train", "dev", "test") if name not in results.splits]
    if missing:
        raise _damaged(results_path, f"has no split {missing[0]!r}")
    if per_class["emotion"].to_list() != labels:
        raise _damaged(folder / "per_class.csv", f"has not the labels of {results_path}, in its order")
    unknown = sorted({*predictions["emotion"], *predictions["predicted"]} - set(labels))
    if unknown:
        raise _damaged(folder / "predictions.csv", f"has labels {unknown} that {results_path} lacks")
    if predictions.height != metrics.n:
        raise _damaged(folder / "predictions.csv", f"has {predictions.height} rows, metrics.json counts {metrics.n}")
    supports = Counter(predictions["emotion"])
    if per_class["support"].to_list() != [supports[label] for label in labels]:
        raise _damaged(folder / "per_class.csv", "has not the supports that predictions.csv has")
    if results.training.best_epoch not in history["epoch"]:
        raise _damaged(folder / "history.csv", f"lacks epoch {results.training.best_epoch}, the chosen one")
    return DatasetContent(dataset, metrics, per_class, predictions, history, results)


def _read_json(path: Path, record: type[RecordT]) -> RecordT:
    try:
        return record.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError:
        raise _missing(path) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise _damaged(path, f"{key}: {first['msg']}" if key else first["msg"]) from None
    except ValueError as error:  # not UTF-8, or not JSON
        raise _damaged(path, f"is not JSON: {error}") from None


def _read_csv(path: Path, columns: dict[str, Any], may_be_empty: set[str]) -> pl.DataFrame:
    try:
        table = pl.read_csv(path.read_bytes(), schema_overrides=columns)
    except OSError:
        raise _missing(path) from None
    except pl.exceptions.PolarsError as error:
        raise _damaged(path, f"is not the CSV file expected: {str(error).splitlines()[0]}") from None
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise _damaged(path, f"has no column {missing[0]!r}")
    if table.is_empty():
        raise _damaged(path, "has no rows")
    empty = [name for name in columns if name not in may_be_empty and table[name].null_count()]
    if empty:
        raise _damaged(path, f"has an empty cell in column {empty[0]!r}")
    return table.select(list(columns))


def _missing(path: Path) -> ErcError:
    return ErcError(f"{path}: not found; make it with `dvc repro evaluate`")


def _damaged(path: Path, problem: str) -> ErcError:
    return ErcError(f"{path}: {problem}; make it again with `dvc repro evaluate`")
