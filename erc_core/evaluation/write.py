"""Score the predictions of one dataset, and write metrics.json, per_class.csv, confusion.csv and predictions.csv."""

import logging
from pathlib import Path

import polars as pl

from erc_core.evaluation.bootstrap import Interval, bootstrap_intervals, dialogue_confusions
from erc_core.evaluation.records import (
    DECIMALS,
    Metrics,
    prediction_columns,
    write_confusion,
    write_per_class,
    write_predictions,
)
from erc_core.evaluation.scores import per_class, score
from erc_core.evaluation.units import MIN_UNITS, Unit, too_few, units_of
from erc_core.params.training import EvaluateParams


def evaluate_predictions(
    predictions: pl.DataFrame, labels: list[str], params: EvaluateParams, folder: Path, unit: Unit = "dialogue"
) -> Metrics:
    """Score the predictions on a test split, write the four files into a folder, and return the scores.

    `predictions` has one row per test utterance, with the columns of records.prediction_columns; others are dropped.
    `labels` are all C names, in the order that tables and figures keep. The folder is made if missing. Intervals resample
    the units of the split (units.unit_of); with fewer than MIN_UNITS their ends are None, and a warning says so.

    Raises:
        ValueError: A column is missing, has the wrong type, nulls or values that are not finite, an utterance appears
            twice, or a label is not among `labels`.
    """
    table = _checked(predictions, labels)
    gold, predicted = table["emotion"].to_list(), table["predicted"].to_list()
    scores = score(gold, predicted, labels)
    units = units_of(table, unit)
    confusions = dialogue_confusions(units.names, gold, predicted, labels)
    intervals = bootstrap_intervals(
        confusions, labels, samples=params.bootstrap_samples, confidence=params.confidence, seed=params.seed
    )
    if units.n < MIN_UNITS:
        logging.getLogger(__name__).warning("no interval: %s", too_few(units.n, units.noun))
    values: dict[str, float | None] = {}
    for name in ("acc", "wf1", "macro_f1"):
        values[name] = round(getattr(scores, name), DECIMALS)
        values[f"{name}_low"], values[f"{name}_high"] = _ends(getattr(intervals, name))
    metrics = Metrics.model_validate({"n": scores.n} | values)
    metrics.write(folder)
    ends = [_ends(intervals.f1[label]) for label in labels]
    ends_table = pl.DataFrame(ends, {"f1_low": pl.Float64, "f1_high": pl.Float64}, orient="row")
    write_per_class(per_class(gold, predicted, labels).hstack(ends_table), folder)
    write_confusion(table, labels, folder)
    write_predictions(table, labels, folder)
    return metrics


def _checked(predictions: pl.DataFrame, labels: list[str]) -> pl.DataFrame:
    """Return the columns that predictions.csv has, in their order and types."""
    columns = prediction_columns(labels)
    missing = [name for name in columns if name not in predictions.columns]
    if missing:
        raise ValueError(f"predictions lack the columns {missing}")
    try:
        table = predictions.select(columns.names()).cast(columns)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"predictions have a column of the wrong type: {error}") from None
    with_nulls = [name for name in columns if table[name].null_count()]
    if with_nulls:
        raise ValueError(f"predictions have nulls in {with_nulls}")
    not_finite = [name for name, dtype in columns.items() if dtype.is_float() and not table[name].is_finite().all()]
    if not_finite:
        raise ValueError(f"predictions have values that are not finite in {not_finite}")
    if table["utterance_id"].n_unique() < table.height:
        raise ValueError("predictions name an utterance twice")
    return table


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (round(interval.low, DECIMALS), round(interval.high, DECIMALS))
