"""The tables of a study as numbers: scores over seeds, differences to a reference, cost, and what the paper prints.

Rows come from params.yaml, never from the files that happen to lie about: a variant that was not asked for, or that has no
results, is a row without numbers and with a reason. No table mixes class sets, splits, weights or backbones.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from erc_core.params.study import FULL, StudyParams, TableParams
from erc_core.params.training import EvaluateParams
from erc_core.report.study.differences import METRICS, Difference, Side, compare, corrected, same_utterances
from erc_core.report.study.paper import DIFFERENCES, paper_corpus, printed
from erc_core.report.study.rows import Found, Kind, Planned, find, kind_of, planned_rows
from erc_core.report.study.statistics import SeedSummary, seed_summary
from erc_core.study.results import PointResults, VariantResults


@dataclass(frozen=True)
class StudySource:
    """What the tables of one dataset are made from.

    Attributes:
        dataset: Its name in params.yaml.
        ingest_format: Its reader, which tells whether it is one of the paper's corpora.
        study: Tables, variants, and which of them to run.
        evaluate: Confidence, resamples and seed of intervals and tests.
        results: Of each variant; None, or no entry, where there are none.
        predictions: Returns the predictions of a variant that has results.
    """

    dataset: str
    ingest_format: str
    study: StudyParams
    evaluate: EvaluateParams
    results: Mapping[str, VariantResults | None]
    predictions: Callable[[str], pl.DataFrame]


@dataclass(frozen=True)
class Cost:
    """What a row costs.

    Attributes:
        parameters: Parameters of the model; None where they were not counted.
        trained_parameters: Those of them that are trained; None likewise.
        peak_memory_mb: The largest peak of its trainings, MiB.
        memory: What that is memory of: resident or gpu; see results.Run.
        seconds_per_epoch: Mean over its trainings.
        latency_ms: Of one utterance, batch of one, ms; None where it was not measured.
    """

    parameters: int | None
    trained_parameters: int | None
    peak_memory_mb: float
    memory: str
    seconds_per_epoch: float
    latency_ms: float | None


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        label: What stands in front of it.
        group: The modality, or in a sweep over several systems the system's label; empty where there are no groups.
        variant: Name of its variant.
        value: Its value of the variant's parameter, if it has one.
        is_reference: Whether the other rows (of its group) are compared with it.
        missing: Why there are no numbers; None where there are.
        not_compared: Why a row with numbers has no differences; None where it has them, or should not.
        seeds: Of its trainings.
        scores: By metric, over the seeds.
        differences: By metric, to the reference.
        paper: By metric, what the paper prints: a score, or in tables of differences a difference; fractions.
        cost: None where there are no numbers.
    """

    label: str
    group: str
    variant: str
    value: Any
    is_reference: bool
    missing: str | None = None
    not_compared: str | None = None
    seeds: tuple[int, ...] = ()
    scores: Mapping[str, SeedSummary] = field(default_factory=dict)
    differences: Mapping[str, Difference] = field(default_factory=dict)
    paper: Mapping[str, float] = field(default_factory=dict)
    cost: Cost | None = None

    def paper_gap(self, metric: str, table: str) -> float | None:
        """Return measured minus printed, None where one of them is missing.

        Args:
            metric: Of METRICS.
            table: The table's name, which tells whether the paper prints scores or differences.
        """
        if metric not in self.paper:
            return None
        if table in DIFFERENCES:
            return self.differences[metric].mean - self.paper[metric] if metric in self.differences else None
        return self.scores[metric].mean - self.paper[metric] if metric in self.scores else None


@dataclass(frozen=True)
class Origin:
    """Where a table's numbers come from, each value that its rows have once, in the order of the rows."""

    weights: tuple[str, ...]
    backbones: tuple[str, ...]
    devices: tuple[str, ...]
    precisions: tuple[str, ...]
    commits: tuple[str, ...]


@dataclass(frozen=True)
class StudyTable:
    """One table of one dataset.

    Attributes:
        dataset: Name of the dataset.
        name: Of the table in params.yaml.
        title: What it compares, from params.yaml.
        kind: How its rows belong together.
        reference: Label of the row that the others are compared with; empty in a sweep.
        key: The parameter that a sweep varies; empty elsewhere.
        rows: In order.
        origin: Of the rows that have numbers.
    """

    dataset: str
    name: str
    title: str
    kind: Kind
    reference: str
    key: str
    rows: tuple[Row, ...]
    origin: Origin

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
    def has_seeds(self) -> bool:
        """Whether a row has more than one seed."""
        return any(len(row.seeds) > 1 for row in self.rows)

    @property
    def memory(self) -> tuple[str, ...]:
        """What the rows' peak memory is of, each kind once: resident, gpu."""
        return tuple(dict.fromkeys(row.cost.memory for row in self.rows if row.cost))

    @property
    def has_paper(self) -> bool:
        """Whether the paper prints something for one of the rows."""
        return any(row.paper for row in self.rows)


def make_tables(source: StudySource) -> list[StudyTable]:
    """Make all tables of one dataset.

    Args:
        source: Parameters, results and predictions.

    Returns:
        The tables in the order of params.yaml; none if the study runs nothing.

    Raises:
        ErcError: Predictions do not fit the results.
    """
    if not source.study.run:
        return []
    return [_table(source, name, table) for name, table in source.study.tables.items()]


def _table(source: StudySource, name: str, table: TableParams) -> StudyTable:
    study = source.study
    kind, plan = kind_of(study, table), planned_rows(study, table)
    standard = _standard(source, plan)
    found = [find(study, source.results, row, standard) for row in plan]
    labels = standard.labels if standard else []
    rows = [_row(source, name, row, numbers, labels) for row, numbers in zip(plan, found, strict=True)]
    if kind != "sweep":
        rows = _compared(source, rows, found)
    references = dict.fromkeys(row.label for row in plan if row.is_reference)
    over = study.variants[plan[0].variant].over if kind == "sweep" else {}
    shown = [
        numbers.results
        for row, numbers in zip(rows, found, strict=True)
        if row.missing is None and isinstance(numbers, Found)
    ]
    return StudyTable(
        dataset=source.dataset,
        name=name,
        title=table.title,
        kind=kind,
        reference=next(iter(references), ""),
        key=next(iter(over), ""),
        rows=tuple(rows),
        origin=Origin(
            *(
                tuple(dict.fromkeys(getattr(results, name) or "not recorded" for results in shown))
                for name in ("weights", "backbone", "device", "precision", "commit")
            )
        ),
    )


def _standard(source: StudySource, plan: list[Planned]) -> VariantResults | None:
    """Return the results that all rows must be comparable with: the reference's, else the first there are."""
    variants = [row.variant for row in plan if row.is_reference] or [FULL]
    variants += [row.variant for row in plan]
    known = (source.results.get(variant) for variant in variants if variant in source.study.run)
    return next((results for results in known if results is not None), None)


def _row(source: StudySource, table: str, planned: Planned, found: Found | str, labels: list[str]) -> Row:
    corpus = paper_corpus(source.dataset, source.ingest_format, labels)
    row = Row(
        label=planned.label,
        group=planned.group,
        variant=planned.variant,
        value=planned.value,
        is_reference=planned.is_reference,
        paper=printed(table, corpus, planned.group, planned.label),
    )
    if isinstance(found, str):
        return replace(row, missing=found)
    runs = found.point.runs
    return replace(
        row,
        seeds=tuple(sorted(run.seed for run in runs)),
        scores={
            metric: seed_summary([getattr(run, metric) for run in runs], source.evaluate.confidence)
            for metric in METRICS
        },
        cost=_cost(found.point),
    )


def _cost(point: PointResults) -> Cost:
    return Cost(
        parameters=point.parameters,
        trained_parameters=point.trained_parameters,
        peak_memory_mb=max(run.peak_memory_mb for run in point.runs),
        memory=" and ".join(sorted({run.memory for run in point.runs})),
        seconds_per_epoch=sum(run.seconds_per_epoch for run in point.runs) / len(point.runs),
        latency_ms=point.latency_ms,
    )


def _compared(source: StudySource, rows: list[Row], found: list[Found | str]) -> list[Row]:
    """Compare every row with the reference of its group, and correct over all of them."""
    sides = [
        Side(numbers.results, numbers.point, source.predictions(numbers.results.variant))
        if isinstance(numbers, Found)
        else None
        for numbers in found
    ]
    references = {row.group: side for row, side in zip(rows, sides, strict=True) if row.is_reference}
    compared = [
        row if side is None or row.is_reference else _against(references.get(row.group), row, side, source.evaluate)
        for row, side in zip(rows, sides, strict=True)
    ]
    differences = corrected([row.differences for row in compared])
    return [replace(row, differences=found) for row, found in zip(compared, differences, strict=True)]


def _against(reference: Side | None, row: Row, side: Side, evaluate: EvaluateParams) -> Row:
    """Return a row with its differences from the reference, or without and with the reason."""
    if reference is None:
        return replace(row, not_compared="as the row to compare with has no numbers")
    if not same_utterances(side, reference):
        reason = "left out for other test utterances than those of the row to compare with"
        return replace(row, missing=reason, seeds=(), scores={}, cost=None)
    differences = compare(side, reference, evaluate)
    apart = None if differences else "as no seed is in common with the row to compare with"
    return replace(row, differences=differences, not_compared=apart)
