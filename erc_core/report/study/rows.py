"""The rows that a table should have, from params.yaml, and whose results each of them shows, or why it shows none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from erc_core.params.study import FULL, StudyParams, TableParams
from erc_core.study.results import PointResults, VariantResults

FULL_LABEL = "Full model"
MODALITY_KEY = "model.modality"
MODALITIES = ("T", "A", "T+A")

# modalities: rows grouped by modality, each with a reference of its own; sweep: the values of one numeric parameter;
# rows: variants against one reference
Kind = Literal["modalities", "sweep", "rows"]


@dataclass(frozen=True)
class Planned:
    """A row that a table should have.

    Attributes:
        label: What stands in front of it.
        group: The modality, or in a sweep over several systems the system's label; empty where there are no groups.
        variant: Name of its variant.
        value: Its value of the variant's parameter, or the name of its point; None where the variant has one point only.
        is_reference: Whether the other rows (of its group) are compared with it.
    """

    label: str
    group: str
    variant: str
    value: Any
    is_reference: bool


@dataclass(frozen=True)
class Found:
    """The results that a row shows: a point, and the variant that it was trained for."""

    results: VariantResults
    point: PointResults


def kind_of(study: StudyParams, table: TableParams) -> Kind:
    """Return what kind of table the variants of its rows make."""
    variants = [study.variants[name] for name in table.rows.values()]
    if table.reference in table.rows and all(MODALITY_KEY in variant.over for variant in variants):
        return "modalities"
    numeric = [
        variant.over and all(isinstance(value, int | float) and not isinstance(value, bool) for value in variant.values)
        for variant in variants
    ]
    return "sweep" if all(numeric) else "rows"


def planned_rows(study: StudyParams, table: TableParams) -> list[Planned]:
    """Return the rows that a table should have, in order.

    Args:
        study: All variants.
        table: The table.

    Returns:
        With modalities, the rows of T, A and T+A in turn; the points of a sweep; else the reference (first, unless it is
        one of the rows) and the rows; named points go by their names.
    """
    kind = kind_of(study, table)
    plan = []
    for label, variant in table.rows.items():
        values = study.variants[variant].values
        for value in values or [None]:
            if kind == "modalities":
                row = Planned(label, str(value), variant, value, is_reference=label == table.reference)
            elif kind == "sweep":
                row = Planned(label, label if len(table.rows) > 1 else "", variant, value, is_reference=False)
            else:
                named = value in study.variants[variant].points
                shown = label if value is None else value if named else f"{label}, {value}"
                is_reference = label == table.reference and value in (None, *values[:1])
                row = Planned(shown, "", variant, value, is_reference)
            plan.append(row)
    if kind == "modalities":
        plan.sort(key=lambda row: MODALITIES.index(row.group))
    if kind == "rows" and table.reference not in table.rows:
        plan.insert(0, Planned(FULL_LABEL, "", FULL, study.base_value, is_reference=True))
    return plan


def find(
    study: StudyParams, results: Mapping[str, VariantResults | None], row: Planned, standard: VariantResults | None
) -> Found | str:
    """Return the results that a row shows, or why it shows none.

    Args:
        study: Its list of variants to run.
        results: By variant; None, or no entry, where there are none.
        row: The row.
        standard: What the row must have its classes, splits, weights and backbone in common with; None for anything.

    Returns:
        The results, which are those of the full model where the row's configuration is the full model's; or the reason
        in words.
    """
    found = _point(study, results, row.variant, row.value)
    if isinstance(found, Found) and found.point.same_as_full:
        found = _point(study, results, FULL, study.base_value)
        if isinstance(found, str):
            return f"the same as the full model, which is {found}"
    if isinstance(found, str):
        return found
    return (standard and unlike(found.results, standard)) or found


def unlike(results: VariantResults, standard: VariantResults) -> str | None:
    """Return what keeps two variants out of one table, in words; None if nothing does."""
    for what, ours, theirs in (
        ("classes", ", ".join(sorted(results.labels)), ", ".join(sorted(standard.labels))),
        ("splits", _sizes(results.splits), _sizes(standard.splits)),
        ("weights", results.weights, standard.weights),
        ("backbone", results.backbone, standard.backbone),
    ):
        if ours != theirs:
            return f"left out for other {what} ({ours}) than those of the other rows ({theirs})"
    return None


def _point(study: StudyParams, results: Mapping[str, VariantResults | None], variant: str, value: Any) -> Found | str:
    if variant not in study.run:
        return "not in study.run"
    found = results.get(variant)
    if found is None:
        return "without results yet"
    for point in found.points:
        if point.value == value:
            return Found(found, point) if point.runs or point.same_as_full else "without a finished training"
    return "without results of this value"


def _sizes(splits: Mapping[str, int]) -> str:
    return ", ".join(f"{split} {n:,}" for split, n in splits.items())
