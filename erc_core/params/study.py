"""Section study: which variants of the model are compared, and in which tables."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from erc_core.params.model import ICLParams, JFMParams, ModelParams
from erc_core.params.peers import MultiEmoParams, ScfaParams
from erc_core.params.section import FILE_NAME, Section

FULL = "full"  # the variant that trains study.base
SystemSettings = ScfaParams | MultiEmoParams
SETTINGS: dict[str, type[ScfaParams] | type[MultiEmoParams]] = {"scfa": ScfaParams, "multiemo": MultiEmoParams}


class Configuration(Section):
    """What a variant may change: the model, its fusion and its loss."""

    model: ModelParams
    jfm: JFMParams
    icl: ICLParams


class VariantParams(Section):
    """One variant: changes to study.base, or a system of its own.

    Attributes:
        system: jfm (the model of this project, changed) or a peer that reads whole dialogues.
        set: Changes to study.base: dotted key and value.
        over: One dotted key with several values: a point of the variant for each.
        points: Instead of it, points by name, each with changes of its own, on top of `set`.
        sweep: Whether it explores a value (study.sweep_seeds) instead of supporting a claim (study.seeds).
        settings: For a peer: its hyper-parameters by backbone.
    """

    system: Literal["jfm", "scfa", "multiemo"] = "jfm"
    set: dict[str, Any] = Field(default={})
    over: dict[str, list[Any]] = Field(default={}, max_length=1)
    points: dict[str, dict[str, Any]] = Field(default={})
    sweep: bool = False
    settings: dict[str, dict[str, Any]] = Field(default={})

    @property
    def values(self) -> list[Any]:
        """What tells its points apart: the values of `over`, or the names of `points`; none where there is one point."""
        return next(iter(self.over.values()), list(self.points))


class TableParams(Section):
    """One table of the report.

    Attributes:
        title: Its caption.
        reference: The label of the row that the others are compared with; full = the study's base, shown first.
        rows: Label and variant.
    """

    title: str = Field(min_length=1)
    reference: str = FULL
    rows: dict[str, str] = Field(min_length=1)


@dataclass(frozen=True)
class Point:
    """One configuration of a variant.

    Attributes:
        name: The value of the variant's `over` key as text, or its name under `points`; empty where there is one point.
        key: The key of `over`.
        value: The value of that key, or the name; what the variant's `values` has.
        configuration: study.base with the variant's changes.
        is_base: Whether it is study.base itself in another variant than `full`, which trains it.
    """

    name: str
    key: str | None
    value: int | float | bool | str | None
    configuration: Configuration
    is_base: bool


class StudyParams(Section):
    """The study: variants of the model, each trained for several seeds."""

    seeds: int = Field(ge=1, le=100)
    sweep_seeds: int = Field(ge=1, le=100)
    run: list[str]
    base: Configuration
    variants: dict[str, VariantParams]
    tables: dict[str, TableParams]

    @model_validator(mode="after")
    def _names_and_changes_fit(self) -> "StudyParams":
        problems = []
        known = list(self.variants)
        problems += [
            f"study.variants.{name}: allowed are lower-case letters, digits, - and _, as the name becomes a folder"
            for name in known
            if not FILE_NAME.fullmatch(name)
        ]
        full = self.variants.get(FULL, VariantParams(system="scfa"))
        if full.model_copy(update={"over": {}, "points": {}}) != VariantParams():
            problems.append("study.variants.full: allowed are `over` and `points`, or {}: it is study.base itself")
        problems += [
            f"study.run: {name!r} is not under study.variants; allowed are {known}"
            for name in self.run
            if name not in known
        ]
        problems += [
            f"study.run: {name!r} is there twice" for name in sorted({n for n in self.run if self.run.count(n) > 1})
        ]
        for table, params in self.tables.items():
            if not FILE_NAME.fullmatch(table):
                problems.append(
                    f"study.tables.{table}: allowed are lower-case letters, digits, - and _, as the name becomes a file"
                )
            problems += [
                f"study.tables.{table}.rows.{label} = {name!r}: allowed are the names under study.variants: {known}"
                for label, name in params.rows.items()
                if name not in known
            ]
            if params.reference != FULL and params.reference not in params.rows:
                problems.append(
                    f"study.tables.{table}.reference = {params.reference!r}: allowed is full or a label of its rows: "
                    f"{list(params.rows)}"
                )
        for name in known:
            problems += self._problems_of(name)
        if not problems and not any(point.configuration == self.base for point in self.points(FULL)):
            problems.append("study.variants.full: has no point that is study.base itself")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _problems_of(self, name: str) -> list[str]:
        variant, key = self.variants[name], f"study.variants.{name}"
        problems = []
        if variant.system == "jfm" and variant.settings:
            problems.append(f"{key}.settings: allowed only with system scfa or multiemo; change jfm through `set`")
        if variant.system != "jfm":
            for backbone, settings in variant.settings.items():
                try:
                    SETTINGS[variant.system].model_validate(settings)
                except ValidationError as error:
                    problems += [f"{key}.settings.{backbone}.{_told(detail)}" for detail in error.errors()]
            problems += [
                f"{key}: {change} does not concern {variant.system}; allowed is model.modality"
                for change in (
                    *variant.set,
                    *variant.over,
                    *(key for point in variant.points.values() for key in point),
                )
                if change != "model.modality"
            ]
        if variant.over and variant.points:
            problems.append(f"{key}: has `over` and `points`; allowed is one of them")
        for over, values in variant.over.items():
            if not values or len({str(value) for value in values}) < len(values):
                problems.append(f"{key}.over.{over} = {values}: allowed is a list of different values")
        if not problems:
            try:
                self.points(name)
            except ValidationError as error:
                problems += [f"{key}: {_told(detail)}" for detail in error.errors()]
            except KeyError as error:
                problems.append(f"{key}: {error.args[0]}")
        return problems

    def points(self, name: str) -> list[Point]:
        """Return the points of a variant, in the order of its values."""
        variant = self.variants[name]
        tree = self.base.model_dump()
        for key, value in variant.set.items():
            _change(tree, key, value)
        if variant.points:
            return [self._named_point(name, point, tree) for point in variant.points]
        if not variant.over:
            return [self._point(name, "", None, None, tree)]
        ((over, values),) = variant.over.items()
        points = []
        for value in values:
            _change(tree, over, value)
            points.append(self._point(name, str(value), over, value, tree))
        return points

    @property
    def base_value(self) -> Any:
        """The value of the point of variant `full` that is study.base itself; None where it is the only point."""
        return next(point.value for point in self.points(FULL) if point.configuration == self.base)

    def _named_point(self, variant: str, point: str, tree: dict[str, Any]) -> Point:
        changed = deepcopy(tree)
        for key, value in self.variants[variant].points[point].items():
            _change(changed, key, value)
        return self._point(variant, point, None, point, changed)

    def _point(self, variant: str, name: str, key: str | None, value: Any, tree: dict[str, Any]) -> Point:
        configuration = Configuration.model_validate(tree)
        is_base = self.variants[variant].system == "jfm" and configuration == self.base and variant != FULL
        return Point(name, key, value, configuration, is_base)

    def settings(self, name: str, backbone: str) -> SystemSettings:
        """Return the hyper-parameters of a peer's variant for a backbone.

        Raises:
            KeyError: The variant has none for it.
        """
        variant = self.variants[name]
        return SETTINGS[variant.system].model_validate(variant.settings[backbone])

    def seeds_of(self, name: str) -> list[int]:
        """Return the seeds of a variant's trainings."""
        return list(range(self.sweep_seeds if self.variants[name].sweep else self.seeds))


def _change(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        tree = tree[section] if isinstance(tree.get(section), dict) else {}
    if last not in tree:
        raise KeyError(f"{key} is no key of study.base; write it in full, such as jfm.joint_len")
    tree[last] = value


def _told(detail: Any) -> str:
    place = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"{place}: missing"
    if detail["type"] == "extra_forbidden":
        return f"{place}: unknown key"
    return f"{place} = {detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}"
