"""Write what the evaluation of one dataset leaves: metrics.json, per_class.csv and predictions.csv."""

import logging
from pathlib import Path

import polars as pl

from erc_core.evaluation.bootstrap import Interval, bootstrap_intervals, dialogue_confusions
from erc_core.evaluation.scores import per_class, score
from erc_core.params.training import EvaluateParams
from erc_core.run.atomic import atomic_file, write_json

# Columns of predictions.csv, before one p_<label> per label
PREDICTION_COLUMNS = {
    "utterance_id": pl.String,
    "dialogue_id": pl.String,
    "turn": pl.Int64,
    "speaker": pl.String,
    "text": pl.String,
    "emotion": pl.String,
    "predicted": pl.String,
    "confidence": pl.Float64,
}
# Files keep so many decimals: enough for every table, and equal on machines that differ in the last bits
DECIMALS = 6


def evaluate_predictions(
    predictions: pl.DataFrame, labels: list[str], params: EvaluateParams, folder: Path
) -> dict[str, float | int | None]:
    """Score the predictions on a test split and write the three files.

    Args:
        predictions: One row per test utterance: utterance_id, dialogue_id, turn, speaker, text, emotion (gold),
            predicted, confidence (of the predicted label), and p_<label> for every label. Other columns are dropped.
        labels: All C label names, in the order that tables and figures keep.
        params: Number of resamples, confidence and seed of the intervals.
        folder: Where metrics.json, per_class.csv and predictions.csv go; made if missing.

    Returns:
        What metrics.json holds: acc, wf1, macro_f1, each with _low and _high, and n. An end of an interval is None
        where the split is a single dialogue; a warning says so.

    Raises:
        ValueError: A column is missing, has the wrong type or holds nulls, an utterance appears twice, or a label is
            not among `labels`.
    """
    table = _checked(predictions, labels)
    gold, predicted = table["emotion"].to_list(), table["predicted"].to_list()
    scores = score(gold, predicted, labels)
    confusions = dialogue_confusions(table["dialogue_id"].to_list(), gold, predicted, labels)
    intervals = bootstrap_intervals(
        confusions, labels, samples=params.bootstrap_samples, confidence=params.confidence, seed=params.seed
    )
    if len(confusions) == 1:
        logging.getLogger(__name__).warning(
            "the test split is a single dialogue: it has scores, but no intervals, which need dialogues to resample"
        )
    metrics: dict[str, float | int | None] = {"n": scores.n}
    for name, value, interval in (
        ("acc", scores.acc, intervals.acc),
        ("wf1", scores.wf1, intervals.wf1),
        ("macro_f1", scores.macro_f1, intervals.macro_f1),
    ):
        metrics[name] = round(value, DECIMALS)
        metrics[f"{name}_low"], metrics[f"{name}_high"] = _ends(interval)

    ends = [_ends(intervals.f1[label]) for label in labels]
    classes = per_class(gold, predicted, labels).with_columns(
        pl.Series("f1_low", [low for low, _ in ends], dtype=pl.Float64),
        pl.Series("f1_high", [high for _, high in ends], dtype=pl.Float64),
    )
    write_json(folder / "metrics.json", dict(sorted(metrics.items())))
    columns = ["emotion", "precision", "recall", "f1", "f1_low", "f1_high", "support"]
    _write_csv(folder / "per_class.csv", classes.select(columns))
    _write_csv(folder / "predictions.csv", table)
    return metrics


def _checked(predictions: pl.DataFrame, labels: list[str]) -> pl.DataFrame:
    """Return the columns that predictions.csv has, in their order and types."""
    columns = PREDICTION_COLUMNS | {f"p_{label}": pl.Float64 for label in labels}
    missing = [name for name in columns if name not in predictions.columns]
    if missing:
        raise ValueError(f"predictions lack the columns {missing}")
    try:
        table = predictions.select(pl.col(name).cast(dtype) for name, dtype in columns.items())
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"predictions have a column of the wrong type: {error}") from None
    with_nulls = [name for name in columns if table[name].null_count()]
    if with_nulls:
        raise ValueError(f"predictions have nulls in {with_nulls}")
    not_finite = [name for name, dtype in columns.items() if dtype == pl.Float64 and not table[name].is_finite().all()]
    if not_finite:
        raise ValueError(f"predictions have values that are not finite in {not_finite}")
    if table["utterance_id"].n_unique() < table.height:
        raise ValueError("predictions name an utterance twice")
    return table


def _write_csv(target: Path, table: pl.DataFrame) -> None:
    with atomic_file(target) as partial:
        table.with_columns(pl.selectors.float().round(DECIMALS)).write_csv(partial)


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (round(interval.low, DECIMALS), round(interval.high, DECIMALS))
