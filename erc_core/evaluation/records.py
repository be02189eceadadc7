"""The files that the stage evaluate hands on: their columns or keys, and how each is written and read."""

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple, Self

import polars as pl
from pydantic import Field, FiniteFloat, model_validator

from erc_core.errors import damaged
from erc_core.evaluation.units import Unit
from erc_core.run.atomic import write_json
from erc_core.run.paths import results_file
from erc_core.run.provenance import sha256
from erc_core.store.records import Record
from erc_core.store.tables import read_csv, write_csv
from erc_core.store.utterances import SPLITS

STAGE = "evaluate"
METRICS_FILE, PER_CLASS_FILE, PREDICTIONS_FILE = "metrics.json", "per_class.csv", "predictions.csv"
SCORES_FILE, CONFUSION_FILE = "scores.json", "confusion.csv"  # for DVC's tables and plots; nothing else reads them
SCORES_DECIMALS = 4
DECIMALS = 6  # of numbers in files: enough for every table, and equal on machines that differ in the last bits

PER_CLASS_COLUMNS = pl.Schema(
    {"emotion": pl.String()}
    | dict.fromkeys(("precision", "recall", "f1", "f1_low", "f1_high"), pl.Float64())
    | {"support": pl.Int64()}
)


def prediction_columns(labels: list[str]) -> pl.Schema:
    """Return the columns of predictions.csv: the utterance, gold and predicted label, and the probability of every label."""
    text, number = pl.String(), pl.Float64()
    utterance = {"utterance_id": text, "dialogue_id": text, "turn": pl.Int64(), "speaker": text, "text": text}
    outcome = {"emotion": text, "predicted": text, "confidence": number}
    return pl.Schema(utterance | outcome | {f"p_{label}": number for label in labels})


class Score(NamedTuple):
    """A score and the ends of its interval, fractions; without ends where the split has too few units."""

    value: float
    low: float | None
    high: float | None


class Metrics(Record):
    """metrics.json: scores on the test split, fractions from 0 to 1, with the ends of their intervals; in the file's order.

    Its SHA-256 is in RunFacts.files.
    """

    has_checksum = False
    acc: FiniteFloat
    acc_high: FiniteFloat | None
    acc_low: FiniteFloat | None
    macro_f1: FiniteFloat
    macro_f1_high: FiniteFloat | None
    macro_f1_low: FiniteFloat | None
    n: int
    wf1: FiniteFloat
    wf1_high: FiniteFloat | None
    wf1_low: FiniteFloat | None

    def score(self, name: str) -> Score:
        """Return acc, wf1 or macro_f1 with its interval."""
        return Score(*(getattr(self, f"{name}{end}") for end in ("", "_low", "_high")))

    def write(self, folder: Path) -> None:
        """Write folder/metrics.json."""
        self.write_json(folder / METRICS_FILE)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read folder/metrics.json."""
        return cls.read_json(folder / METRICS_FILE, STAGE)


def write_scores(metrics: Metrics, val_wf1: float, folder: Path) -> None:
    """Write folder/scores.json: what `dvc exp show` compares, few and short numbers; val_wf1 is of the chosen epoch."""
    scores = {"acc": metrics.acc, "macro_f1": metrics.macro_f1, "val_wf1": val_wf1, "wf1": metrics.wf1}
    write_json(folder / SCORES_FILE, {name: round(value, SCORES_DECIMALS) for name, value in scores.items()})


class SplitFacts(Record):
    """One split of the corpus, in numbers."""

    utterances: int
    dialogues: int
    speakers: int
    hours: FiniteFloat
    emotions: dict[str, int]


class ClipProblem(Record):
    """A clip that is not ordinary speech, and what was done about it."""

    utterance_id: str
    split: str
    status: str
    detail: str | None
    action: str


class RunFacts(Record):
    """data/results/<dataset>.json: what there is to say about a run beside its scores."""

    dataset: str
    synthetic: bool
    labels: list[str] = Field(min_length=1)  # the most frequent first
    modality: str
    unit: Unit  # what intervals and the study's bootstrap resample
    backbone: str
    weights: str  # what the encoders started from, in words
    splits: dict[str, SplitFacts]
    clips: dict[str, int]  # number by status
    problems: list[ClipProblem]  # the clips that are not ordinary
    truncated_texts: int  # number of texts that were longer than text.max_tokens
    ingest: dict[str, Any]  # facts of the reader
    training: dict[str, Any]  # what training.json holds
    versions: dict[str, str]
    commit: str | None  # None where there is no repository
    params: dict[str, Any]  # of the model and the training
    files: dict[str, str]  # SHA-256 of the files of the run

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("names a label twice")
        if missing := [split for split in SPLITS if split not in self.splits]:
            raise ValueError(f"has no split {missing[0]!r}")
        return self

    def require_files(self, folder: Path) -> None:
        """Compare the files of a folder with those of the run, as far as it has files of their names.

        Raises:
            ErcError: One is not that of the run.
        """
        for name, checksum in self.files.items():
            if (folder / name).is_file() and sha256(folder / name) != checksum:
                problem = f"is not the file that {results_file(self.dataset)} was made with"
                raise damaged(folder / name, problem, STAGE)

    def write(self, root: Path = Path()) -> None:
        """Write the file of the dataset under a project's folder."""
        self.write_json(root / results_file(self.dataset))

    @classmethod
    def read(cls, dataset: str, root: Path = Path()) -> Self:
        """Read the file of a dataset under a project's folder."""
        return cls.read_json(root / results_file(dataset), STAGE)


def write_per_class(table: pl.DataFrame, folder: Path) -> None:
    """Write folder/per_class.csv."""
    _write_csv(table.select(PER_CLASS_COLUMNS.names()), folder / PER_CLASS_FILE)


def write_confusion(predictions: pl.DataFrame, labels: list[str], folder: Path) -> None:
    """Write folder/confusion.csv: every pair of labels, in their order, how often it was met, and as a share of the emotion."""
    counts = Counter(zip(predictions["emotion"], predictions["predicted"], strict=True))
    rows = [(emotion, predicted, counts[emotion, predicted]) for emotion in labels for predicted in labels]
    table = pl.DataFrame(rows, {"emotion": pl.String, "predicted": pl.String, "count": pl.Int64}, orient="row")
    share = pl.col("count") / pl.max_horizontal(1, pl.col("count").sum().over("emotion"))
    _write_csv(table.with_columns(share.alias("share")), folder / CONFUSION_FILE)


def read_per_class(folder: Path) -> pl.DataFrame:
    """Read folder/per_class.csv; the ends of an interval may be null."""
    return read_csv(folder / PER_CLASS_FILE, PER_CLASS_COLUMNS, {"f1_low", "f1_high"}, STAGE)


def write_predictions(table: pl.DataFrame, labels: list[str], folder: Path) -> None:
    """Write folder/predictions.csv."""
    _write_csv(table.select(prediction_columns(labels).names()), folder / PREDICTIONS_FILE)


def read_predictions(folder: Path, labels: list[str]) -> pl.DataFrame:
    """Read folder/predictions.csv; texts and speakers are never null."""
    table = read_csv(folder / PREDICTIONS_FILE, prediction_columns(labels), {"text", "speaker"}, STAGE)
    return table.with_columns(pl.col("text", "speaker").fill_null(""))


def _write_csv(table: pl.DataFrame, target: Path) -> None:
    write_csv(table.with_columns(pl.selectors.float().round(DECIMALS)), target)
