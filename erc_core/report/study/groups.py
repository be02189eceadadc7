"""A group of datasets as one: the folds of a corpus, averaged in the study's tables.

Each fold is a dataset with trainings of its own. Scores of one seed are averaged over the folds, every fold alike, and the test
splits are put together, so that tests over seeds compare fold averages and the bootstrap draws from the dialogues of all folds.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

import polars as pl

from erc_core.errors import ErcError
from erc_core.study.results import PointResults, Run, VariantResults

MADE_WITH = ("weights", "backbone", "device", "precision", "commit")  # said of every fold where they differ


def pool_results(group: str, folds: Sequence[VariantResults | None]) -> VariantResults | None:
    """Return a variant's results averaged over the folds, in the group's name; None where a fold has none.

    Seeds that a fold lacks are left out. Costs are the largest memory, the mean time of an epoch and the sum of
    seconds.

    Raises:
        ErcError: The folds differ in their classes.
    """
    found = [fold for fold in folds if fold is not None]
    if len(found) < len(folds):
        return None
    first = found[0]
    if len(found) == 1:
        return first.model_copy(update={"dataset": group})
    for fold in found:
        if set(fold.labels) != set(first.labels):
            raise ErcError(
                f"groups.{group}: {first.dataset} has the classes {sorted(first.labels)}, {fold.dataset} has "
                f"{sorted(fold.labels)}: scores over other classes cannot be averaged; take one of them out of the group"
            )
    by_label = [{point.point: point for point in fold.points} for fold in found]
    points = [
        _pool_point([points[label] for points in by_label])
        for label in by_label[0]
        if all(label in points for points in by_label)
    ]
    return first.model_copy(
        update={
            "dataset": group,
            **{name: _each(getattr(fold, name) for fold in found) for name in MADE_WITH},
            "splits": {split: sum(fold.splits[split] for fold in found) for split in first.splits},
            "points": points,
        }
    )


def pool_predictions(folds: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return a variant's predictions of all folds (by dataset) in one table, ids told apart by the dataset's name."""
    if len(folds) == 1:
        return next(iter(folds.values()))
    columns = next(iter(folds.values())).columns
    own = [
        table.select(columns).with_columns((pl.lit(f"{dataset}/") + pl.col("utterance_id", "dialogue_id")).name.keep())
        for dataset, table in folds.items()
    ]
    return pl.concat(own)


def _pool_point(points: Sequence[PointResults]) -> PointResults:
    by_seed = [{run.seed: run for run in point.runs} for point in points]
    seeds = [seed for seed in by_seed[0] if all(seed in runs for runs in by_seed)]
    latencies = [point.latency_ms for point in points if point.latency_ms is not None]
    return points[0].model_copy(
        update={
            "latency_ms": fmean(latencies) if latencies else None,
            "left_out": next((point.left_out for point in points if point.left_out), None),
            "runs": [_pool_runs([runs[seed] for runs in by_seed]) for seed in seeds],
        }
    )


def _pool_runs(runs: Sequence[Run]) -> Run:
    averaged = ("acc", "wf1", "macro_f1", "val_wf1", "seconds_per_epoch")
    # curves of several folds are no curve; what is said of the epochs is that of the fold that least had stopped improving
    least = max(runs, key=lambda run: run.best_epoch / run.epochs)
    return least.model_copy(
        update={name: fmean(getattr(run, name) for run in runs) for name in averaged}
        | {"val_curve": [], "loss_curve": []}
        | {"seconds": sum(run.seconds for run in runs), "peak_memory_mb": max(run.peak_memory_mb for run in runs)}
    )


def _each(values: Iterable[str | None]) -> str:
    return "; ".join(dict.fromkeys(value or "not recorded" for value in values))
