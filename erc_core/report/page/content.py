"""What the report knows about one dataset: the files of the stages before it, read, and checked against each other."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from erc_core.errors import damaged
from erc_core.evaluation.calibration import CALIBRATION_FILE, CalibrationReport
from erc_core.evaluation.records import (
    PER_CLASS_FILE,
    PREDICTIONS_FILE,
    STAGE,
    Metrics,
    RunFacts,
    read_per_class,
    read_predictions,
)
from erc_core.evaluation.units import Units, units_of
from erc_core.report.card.record import Card
from erc_core.run.paths import reports_folder, results_file
from erc_core.training.record import TrainingRecord, read_history


@dataclass(frozen=True)
class DatasetContent:
    """All that the report shows of one dataset: what its files hold, per_class in the order of `labels`."""

    dataset: str
    metrics: Metrics
    per_class: pl.DataFrame
    predictions: pl.DataFrame
    calibration: CalibrationReport
    training: TrainingRecord
    history: pl.DataFrame
    facts: RunFacts
    card: Card

    @property
    def labels(self) -> list[str]:
        """Label names, the most frequent first."""
        return self.facts.labels

    @property
    def units(self) -> Units:
        """What intervals resample, utterance by utterance."""
        return units_of(self.predictions, self.facts.unit)

    @property
    def n_dialogues(self) -> int:
        """Number of dialogues in the test split."""
        return self.predictions["dialogue_id"].n_unique()


def load_content(dataset: str, root: Path = Path()) -> DatasetContent:
    """Read the inputs of one dataset under a project's folder, and check them against each other.

    Raises:
        ErcError: A file is missing or damaged, or does not fit the others; the message names the file and the stage to run.
    """
    folder, facts_file = root / reports_folder(dataset), root / results_file(dataset)
    facts, metrics, training = RunFacts.read(dataset, root), Metrics.read(folder), TrainingRecord.read(folder)
    labels = facts.labels
    per_class, predictions = read_per_class(folder), read_predictions(folder, labels)
    history = read_history(folder, training)
    if per_class["emotion"].to_list() != labels:
        raise damaged(folder / PER_CLASS_FILE, f"has not the labels of {facts_file}, in its order", STAGE)
    unknown = sorted({*predictions["emotion"], *predictions["predicted"]} - set(labels))
    if unknown:
        raise damaged(folder / PREDICTIONS_FILE, f"has labels {unknown} that {facts_file} lacks", STAGE)
    calibration = CalibrationReport.read(folder)
    if len(predictions) != metrics.n:
        problem = f"has {len(predictions)} rows, metrics.json counts {metrics.n}"
        raise damaged(folder / PREDICTIONS_FILE, problem, STAGE)
    if calibration.n != metrics.n:
        problem = f"is of {calibration.n} utterances, metrics.json counts {metrics.n}"
        raise damaged(folder / CALIBRATION_FILE, problem, STAGE)
    supports = Counter(predictions["emotion"])
    if per_class["support"].to_list() != [supports[label] for label in labels]:
        raise damaged(folder / PER_CLASS_FILE, "has not the supports that predictions.csv has", STAGE)
    facts.require_files(folder)
    return DatasetContent(
        dataset, metrics, per_class, predictions, calibration, training, history, facts, Card.read(dataset, root)
    )
