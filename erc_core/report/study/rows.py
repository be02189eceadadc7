"""The rows of a study's tables: which there should be comes from params.yaml, never from the files that happen to lie about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from erc_core.params.study import FULL, StudyParams, TableParams
from erc_core.report.study.differences import Difference
from erc_core.report.study.paper import DIFFERENCES
from erc_core.report.study.statistics import SeedSummary
from erc_core.study.points import Point, base_label, points_of
from erc_core.study.results import Run

FULL_LABEL = "Full model"
FLAT = 4  # epochs
MODALITIES = ("T", "A", "T+A")

# modalities: rows grouped by modality, each with a reference of its own; sweep: the values of one numeric parameter;
# rows: points against one reference
Kind = Literal["modalities", "sweep", "rows"]


@dataclass(frozen=True)
class Cost:
    """What a row costs."""

    parameters: int | None  # parameters of the model; None where they were not counted
    trained_parameters: int | None  # those of them that are trained; None likewise
    # the largest peak of those of its trainings whose seeds all rows of the table have, MiB; None without such a seed
    peak_memory_mb: float | None
    memory: str  # what that is memory of: resident or gpu; see results.Run
    activations_mb: float | None  # what a training batch keeps for its gradient, counted, MiB; None where it was not
    seconds_per_epoch: float  # mean over its trainings
    latency_ms: float | None  # of one utterance, batch of one, ms; None where it was not measured


@dataclass(frozen=True)
class Origin:
    """Where the numbers of a row come from."""

    system: str
    weights: str
    backbone: str
    device: str
    precision: str
    commit: str
    differences: tuple[str, ...]  # of a peer: how it differs from its authors' code


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    label: str  # what stands in front of it
    group: str  # the modality, or in a sweep over several systems the system's label; empty where there are no groups
    variant: str  # name of its variant
    point: str  # label of its point of the variant
    value: Any = None  # in a sweep, its value of the parameter; None elsewhere
    is_reference: bool = False  # whether the other rows (of its group) are compared with it
    missing: str | None = None  # why there are no numbers; None where there are
    not_compared: str | None = None  # why a row with numbers has no differences; None where it has them, or should not
    changes: Mapping[str, Any] = field(default_factory=dict)  # of study.base, dotted key: value
    runs: tuple[Run, ...] = ()  # its trainings, by seed
    trained: tuple[str, str] = (
        "",
        "",
    )  # the variant and the point whose trainings they are: `full` has trained study.base
    origin: Origin | None = None  # None where there are no numbers
    scores: Mapping[str, SeedSummary] = field(default_factory=dict)  # by metric, over the seeds
    differences: Mapping[str, Difference] = field(default_factory=dict)  # by metric, to the reference
    # by metric, what the paper prints: a score, or in tables of differences a difference; fractions
    paper: Mapping[str, float] = field(default_factory=dict)
    cost: Cost | None = None  # None where there are no numbers

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its trainings, ascending."""
        return tuple(run.seed for run in self.runs)

    @property
    def unfinished(self) -> tuple[int, ...]:
        """The seeds of the trainings whose best epoch was their last: they may not have stopped improving."""
        return tuple(run.seed for run in self.runs if run.best_epoch == run.epochs)

    @property
    def flat(self) -> tuple[int, ...]:
        """The seeds of the trainings whose validation score was the same, as recorded, in each of the last FLAT epochs."""
        return tuple(
            run.seed for run in self.runs if len(run.val_curve) >= FLAT and len(set(run.val_curve[-FLAT:])) == 1
        )

    def paper_gap(self, metric: str, table: str) -> float | None:
        """Return measured minus printed, a score or a difference by the table's name; None where one is missing."""
        measured = (self.differences if table in DIFFERENCES else self.scores).get(metric)
        return measured.mean - self.paper[metric] if measured and metric in self.paper else None


def planned_rows(study: StudyParams, table: TableParams) -> tuple[Kind, str, list[Row]]:
    """Return the rows that a table should have, without numbers, its kind, and the key of a sweep (else empty).

    With modalities, the rows are those of T, A and T+A in turn; without a reference among the variants, the full model
    first.
    """
    points = {variant: points_of(study, variant) for variant in table.variants}
    swept = {_swept_key(of_variant) for of_variant in points.values()}
    if table.reference and all(point.label == point.value("model.modality") for of in points.values() for point in of):
        rows = [
            Row(
                table.labels.get(variant, variant), modality, variant, modality, is_reference=variant == table.reference
            )
            for modality in MODALITIES
            for variant, of_variant in points.items()
            if modality in [point.label for point in of_variant]
        ]
        return "modalities", "", rows
    key = swept.pop()
    if key and not swept:
        rows = []
        for variant, of_variant in points.items():
            label = table.labels.get(variant, variant)
            group = label if len(points) > 1 else ""
            rows += [Row(label, group, variant, point.label, point.value(key)) for point in of_variant]
        return "sweep", key, rows
    rows = [] if table.reference else [Row(FULL_LABEL, "", FULL, base_label(study), is_reference=True)]
    for variant, of_variant in points.items():
        for place, point in enumerate(of_variant):
            names = [table.labels[variant]] if variant in table.labels else []
            names += [point.label] if len(of_variant) > 1 or not names else []
            is_reference = variant == table.reference and place == 0
            rows.append(Row(", ".join(names), "", variant, point.label, is_reference=is_reference))
    return "rows", "", rows


def _swept_key(points: Sequence[Point]) -> str:
    """Return the key whose numbers give points their labels; empty where there is none."""
    keys = dict.fromkeys(key for point in points for key in point.changes)
    return next((key for key in keys if all(_is_number(point.label, point.value(key)) for point in points)), "")


def _is_number(label: str, value: object) -> bool:
    try:
        return not isinstance(value, bool) and float(label) == value
    except ValueError:
        return False
