"""The tables of a study as numbers: scores over seeds, differences to a reference, cost, and what the paper prints.

A variant that was not asked for, or that has no results, is a row without numbers and with a reason. No table mixes class
sets, splits, weights or backbones.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import polars as pl

from erc_core.params.study import FULL, StudyParams, TableParams
from erc_core.params.training import EvaluateParams
from erc_core.report.study.differences import METRICS, Side, compare, corrected, same_utterances
from erc_core.report.study.paper import paper_corpus, printed
from erc_core.report.study.rows import Cost, Kind, Origin, Row, planned_rows
from erc_core.report.study.statistics import seed_summary
from erc_core.study.points import base_label
from erc_core.study.results import VariantResults

MODEL = "jfm"  # the system of this project in results; others are peers


@dataclass(frozen=True)
class StudySource:
    """What the tables of one dataset are made from."""

    dataset: str  # its name in params.yaml
    # its reader, which tells whether it is one of the paper's corpora; empty where the test split is not the paper's
    ingest_format: str
    synthetic: bool  # whether no person spoke it
    study: StudyParams  # tables, variants, and which of them to run
    evaluate: EvaluateParams  # confidence, resamples and seed of intervals and tests
    results: Mapping[str, VariantResults | None]  # of each variant; None, or no entry, where there are none
    # returns the predictions of a variant that has results, as results.read_predictions does, and with the column `unit`:
    # the dialogue or speaker that the bootstrap resamples
    predictions: Callable[[str], pl.DataFrame]
    unit: str = "dialogue"  # what such a unit is called, see units.Units


@dataclass(frozen=True)
class StudyTable:
    """One table of one dataset."""

    dataset: str  # name of the dataset
    name: str  # of the table in params.yaml
    title: str  # what it compares, from params.yaml
    kind: Kind  # how its rows belong together
    reference: str  # label of the row that the others are compared with; empty in a sweep
    key: str  # the parameter that a sweep varies; empty elsewhere
    rows: tuple[Row, ...]  # in order
    synthetic: bool  # whether the corpus is
    note: str  # what params.yaml says under it
    unit: str  # what the bootstrap resamples

    @property
    def shown(self) -> list[Row]:
        """The rows that have numbers."""
        return [row for row in self.rows if row.missing is None]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show: no row has numbers, or nothing but the one row to compare with has."""
        return not [row for row in self.shown if not (row.is_reference and self.kind == "rows")]

    @property
    def compared(self) -> list[Row]:
        """The rows that were compared with the reference."""
        return [row for row in self.rows if row.differences]

    @property
    def n_units(self) -> int:
        """Number of units that the bootstrap could resample in every comparison."""
        return min((of.n_units for row in self.compared for of in row.differences.values()), default=0)

    @property
    def has_seeds(self) -> bool:
        """Whether a row has more than one seed."""
        return any(len(row.seeds) > 1 for row in self.rows)

    @property
    def has_gpu_memory(self) -> bool:
        """Whether every row with numbers has a peak of memory that tells something: that of the GPU, over the same seeds."""
        return all(row.cost and row.cost.memory == "gpu" and row.cost.peak_memory_mb is not None for row in self.shown)

    @property
    def has_activations(self) -> bool:
        """Whether the activations of a row were counted."""
        return any(row.cost and row.cost.activations_mb is not None for row in self.shown)

    @property
    def has_paper(self) -> bool:
        """Whether the paper prints something for one of the rows."""
        return any(row.paper for row in self.rows)


def make_tables(source: StudySource) -> list[StudyTable]:
    """Make all tables of one dataset in the order of params.yaml; none if the study runs nothing.

    Raises:
        ErcError: Predictions do not fit the results.
    """
    if not source.study.run:
        return []
    return [_table(source, name, table) for name, table in source.study.tables.items()]


def _table(source: StudySource, name: str, table: TableParams) -> StudyTable:
    kind, key, plan = planned_rows(source.study, table)
    standard = _standard(source, plan)
    sides = [_side(source, row, standard) for row in plan]
    references = {row.group: side for row, side in zip(plan, sides, strict=True) if row.is_reference}
    labels = standard.labels if standard else []
    corpus = paper_corpus(source.ingest_format, labels, synthetic=source.synthetic)
    rows = []
    for planned, side in zip(plan, sides, strict=True):
        row = replace(planned, paper=printed(name, corpus, planned.group, planned.label))
        row = _measured(row, side, source.evaluate)
        if isinstance(side, Side) and kind != "sweep" and not row.is_reference:
            row = _compared(row, side, references.get(row.group), source.evaluate)
        rows.append(row)
    differences = corrected([row.differences for row in rows])
    rows = [replace(row, differences=of_row) for row, of_row in zip(rows, differences, strict=True)]
    return StudyTable(
        dataset=source.dataset,
        name=name,
        title=table.title,
        kind=kind,
        reference=next((row.label for row in plan if row.is_reference), ""),
        key=key,
        rows=tuple(_same_seeds(rows)),
        synthetic=source.synthetic,
        note=table.note or "",
        unit=source.unit,
    )


def _same_seeds(rows: list[Row]) -> list[Row]:
    """Return rows whose peak memory is over the seeds that all of them have: the more seeds, the larger the largest peak."""
    seeds = set.intersection(*(set(row.seeds) for row in rows if row.cost)) if any(row.cost for row in rows) else set()
    return [replace(row, cost=replace(row.cost, peak_memory_mb=_peak(row, seeds))) if row.cost else row for row in rows]


def _peak(row: Row, seeds: set[int]) -> float | None:
    return max((run.peak_memory_mb for run in row.runs if run.seed in seeds), default=None)


def _standard(source: StudySource, rows: list[Row]) -> VariantResults | None:
    """Return the results that all rows must be comparable with: the reference's, else the first there are."""
    variants = [row.variant for row in rows if row.is_reference] or [FULL]
    variants += [row.variant for row in rows]
    known = (source.results.get(variant) for variant in variants if variant in source.study.run)
    return next((results for results in known if results is not None), None)


def _side(source: StudySource, row: Row, standard: VariantResults | None) -> Side | str:
    """Return the results that a row shows, or in words why it shows none.

    They are those of the full model where the row's configuration is the full model's.
    """
    side = _of_point(source, row.variant, row.point)
    if isinstance(side, Side) and side.point.same_as_full:
        side = _of_point(source, FULL, base_label(source.study))
        if isinstance(side, str):
            return f"the same as the full model, which is {side}"
    if isinstance(side, Side) and standard:
        return _unlike(side.results, standard) or side
    return side


def _of_point(source: StudySource, variant: str, label: str) -> Side | str:
    if variant not in source.study.run:
        return "not in study.run"
    results = source.results.get(variant)
    if results is None:
        return "without results yet"
    point = next((point for point in results.points if point.point == label), None)
    if point is None:
        return "without results of this value"
    if point.left_out:
        return f"left out for want of {point.left_out}"
    if not point.runs and not point.same_as_full:
        return "without a finished training"
    return Side(results, point, source.predictions)


def _unlike(results: VariantResults, standard: VariantResults) -> str | None:
    """Return what keeps two variants out of one table, in words; None if nothing does."""
    ours, theirs = _compatibility(results), _compatibility(standard)
    for what, value in ours.items():
        # a peer has no BERT and no ViT: its weights are fewer than those of the model
        if value != theirs[what] and not (what == "weights" and results.system != standard.system):
            return f"left out for other {what} ({value}) than those of the other rows ({theirs[what]})"
    return None


def _compatibility(results: VariantResults) -> dict[str, str]:
    return {
        "classes": ", ".join(sorted(results.labels)),
        "splits": ", ".join(f"{split} {n:,}" for split, n in results.splits.items()),
        "weights": results.weights,
        "backbone": results.backbone,
    }


def _measured(row: Row, side: Side | str, evaluate: EvaluateParams) -> Row:
    """Return a row with its scores and its cost, or with the reason why there are none."""
    if isinstance(side, str):
        return replace(row, missing=side)
    runs, results = side.point.runs, side.results
    return replace(
        row,
        changes=side.point.changes,
        trained=(results.variant, side.point.point),
        runs=tuple(sorted(runs, key=lambda run: run.seed)),
        origin=Origin(
            system=results.system,
            weights=results.weights,
            backbone=results.backbone,
            device=results.device,
            precision=results.precision,
            commit=results.commit or "not recorded",
            differences=tuple(results.differences),
        ),
        scores={
            metric: seed_summary([getattr(run, metric) for run in runs], evaluate.confidence) for metric in METRICS
        },
        cost=Cost(
            parameters=side.point.parameters,
            trained_parameters=side.point.trained_parameters,
            peak_memory_mb=max(run.peak_memory_mb for run in runs),
            memory=" and ".join(sorted({run.memory for run in runs})),
            activations_mb=side.point.activations_mb,
            seconds_per_epoch=sum(run.seconds_per_epoch for run in runs) / len(runs),
            latency_ms=side.point.latency_ms,
        ),
    )


def _compared(row: Row, side: Side, reference: Side | str | None, evaluate: EvaluateParams) -> Row:
    """Return a row with its differences from the reference, or without and with the reason."""
    if not isinstance(reference, Side):
        return replace(row, not_compared="as the row to compare with has no numbers")
    if not same_utterances(side, reference):
        reason = "left out for other test utterances than those of the row to compare with"
        return replace(row, missing=reason, changes={}, trained=("", ""), runs=(), origin=None, scores={}, cost=None)
    differences = compare(side, reference, evaluate)
    no_seed = None if differences else "as no seed is in common with the row to compare with"
    return replace(row, differences=differences, not_compared=no_seed)
