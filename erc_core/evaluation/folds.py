"""The scores of several folds side by side, with their mean and standard deviation."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from erc_core.errors import ErcError
from erc_core.run.atomic import atomic_file

SCORES = {"wf1": "W-F1", "acc": "Accuracy", "macro_f1": "Macro F1"}  # column -> name to show
DECIMALS = 6


def read_scores(path: Path) -> dict[str, float]:
    """Read what the tables need from a metrics.json: n, wf1, acc, macro_f1.

    Raises:
        ErcError: The file is missing or damaged, or a score is missing or no finite number.
    """
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        scores = {name: float(metrics[name]) for name in ("n", *SCORES)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ErcError(f"{path}: not readable as the scores of a run ({type(error).__name__}: {error})") from None
    if not all(math.isfinite(value) for value in scores.values()):
        raise ErcError(f"{path}: holds scores that are not finite")
    return scores


def fold_table(folds: Mapping[int, Mapping[str, float]]) -> pl.DataFrame:
    """Put the folds into one table.

    Args:
        folds: Number of the fold -> its scores: n, wf1, acc, macro_f1. At least one.

    Returns:
        Columns fold, n, wf1, acc, macro_f1. A row for each fold in their order, then the rows mean and sd, which have no
        n: every fold counts alike, however many utterances it has. sd is the sample standard deviation (divided by the
        number of folds - 1), null for a single fold.
    """
    numbers = sorted(folds)
    scores_FS = np.array([[folds[number][name] for name in SCORES] for number in numbers])  # folds x scores
    mean_S = scores_FS.mean(axis=0)
    sd_S = scores_FS.std(axis=0, ddof=1) if len(numbers) > 1 else [None] * len(SCORES)
    rows = [(str(number), int(folds[number]["n"]), *scores) for number, scores in zip(numbers, scores_FS, strict=True)]
    schema = {"fold": pl.String, "n": pl.Int64} | dict.fromkeys(SCORES, pl.Float64)
    return pl.DataFrame([*rows, ("mean", None, *mean_S), ("sd", None, *sd_S)], schema=schema, orient="row")


def write_folds(table: pl.DataFrame, title: str, notes: str, folder: Path) -> None:
    """Write folder/folds.csv, and folder/folds.md for people.

    Args:
        table: See fold_table.
        title: Headline of the page.
        notes: Markdown to stand under the table.
        folder: Made if missing.
    """
    with atomic_file(folder / "folds.csv") as partial:
        table.with_columns(pl.selectors.float().round(DECIMALS)).write_csv(partial)
    with atomic_file(folder / "folds.md") as partial:
        partial.write_text(_page(table, title, notes), encoding="utf-8")


def _page(table: pl.DataFrame, title: str, notes: str) -> str:
    lines = [f"# {title}", "", f"| fold | utterances | {' | '.join(SCORES.values())} |", "| --- |" + " ---: |" * 4]
    for row in table.iter_rows(named=True):
        scores = ["" if row[name] is None else f"{100 * row[name]:.2f}" for name in SCORES]
        n = "" if row["n"] is None else f"{row['n']:,}"
        lines.append(f"| {row['fold']} | {n} | {' | '.join(scores)} |")
    return "\n".join([*lines, "", "Scores in percent.", notes])
