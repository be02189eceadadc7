"""Section study: which variants of the model are compared, and in which tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from erc_core.params.by_dataset import in_words
from erc_core.params.model import ICLParams, JFMParams, ModelParams
from erc_core.params.peers import PEERS
from erc_core.params.section import FILE_NAME, Name, Names, Section

FULL = "full"  # the variant that trains study.base

# YAML reads a label such as 2 as a number
Label = Annotated[str, BeforeValidator(lambda key: str(key) if type(key) in (int, float) else key)]


class Configuration(Section):
    """What a variant may change: the model, its fusion and its loss."""

    model: ModelParams
    jfm: JFMParams
    icl: ICLParams

    def changed(self, changes: Mapping[str, Any]) -> "Configuration":
        """Return the configuration with other values of some dotted keys, checked as a whole.

        Raises:
            KeyError: A key is not there.
            ValidationError: A value is not allowed.
        """
        tree = self.model_dump()
        for key, value in changes.items():
            section, _, name = key.partition(".")
            if name not in tree.get(section, {}):
                raise KeyError(f"{key} is no key of study.base; write it in full, such as jfm.joint_len")
            tree[section][name] = value
        return Configuration.model_validate(tree)


class VariantParams(Section):
    """One variant: changes to study.base, or a system of its own."""

    system: str | None = None  # a peer that reads whole dialogues; None for the model of this project
    points: dict[Label, dict[str, Any]] = Field(min_length=1)  # label -> changes of study.base (dotted key: value)
    sweep: bool | None = None  # whether it explores a value (sweep_seeds) instead of supporting a claim (seeds)
    settings: dict[str, dict[str, Any]] = Field(default={})  # of a peer: hyper-parameters by backbone, see PEERS

    @model_validator(mode="before")
    @classmethod
    def _changes_stand_in_points(cls, tree: Any) -> Any:
        for old in ("set", "over"):
            if isinstance(tree, dict) and old in tree:
                raise ValueError(
                    f"{old}: is no key of a variant; write its configurations as points, label and changes: "
                    "points: {tau 0.5: {icl.temperature: 0.5}, tau 1: {icl.temperature: 1.0}}"
                )
        return tree


class TableParams(Section):
    """One table of the report; the points of its variants are its rows."""

    title: Name
    variants: list[Name] = Field(min_length=1, max_length=200)
    labels: dict[str, str] = Field(default={})  # variant -> its name, where points alone do not name the rows
    reference: str | None = None  # the variant that the others are compared with; None = study.base, shown first
    note: str | None = None  # what has to be known of its rows, said under it


class StudyParams(Section):
    """The study: variants of the model, each trained for several seeds."""

    seeds: int = Field(ge=1, le=100)
    sweep_seeds: int = Field(ge=1, le=100)
    run: Names
    base: Configuration
    variants: dict[Name, VariantParams] = Field(max_length=200)
    tables: dict[Name, TableParams] = Field(max_length=200)

    @model_validator(mode="after")
    def _names_and_changes_fit(self) -> "StudyParams":
        problems = [*self._name_problems(), *self._variant_problems()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _name_problems(self) -> Iterator[str]:
        if "scores" in self.tables:
            yield "study.tables.scores: take another name, reports/tables/<group>_scores.csv holds the scores of a group"
        if "calibration" in self.tables:
            yield "study.tables.calibration: take another name, reports/tables/<dataset>_calibration.csv is about the main model"
        for place in (*(f"variants.{name}" for name in self.variants), *(f"tables.{name}" for name in self.tables)):
            if not FILE_NAME.fullmatch(place.partition(".")[2]):
                yield f"study.{place}: allowed are lower-case letters, digits, - and _, as the name becomes a file's"
        yield from _unknown("study.run", self.run, "under study.variants", list(self.variants))
        for name in sorted({name for name in self.run if self.run.count(name) > 1}):
            yield f"study.run: {name!r} is there twice"
        for name, table in self.tables.items():
            key = f"study.tables.{name}"
            yield from _unknown(f"{key}.variants", table.variants, "under study.variants", list(self.variants))
            yield from _unknown(f"{key}.labels", list(table.labels), "among its variants", table.variants)
            if table.reference is not None:
                yield from _unknown(f"{key}.reference", [table.reference], "among its variants", table.variants)

    def _variant_problems(self) -> Iterator[str]:
        full = self.variants.get(FULL)
        if full is None or full.system or full.sweep or full.settings:
            yield f"study.variants.{FULL}: has to be there, with `points` alone: it trains study.base itself"
        for name, variant in self.variants.items():
            key = f"study.variants.{name}"
            if variant.system is not None and variant.system not in PEERS:
                yield f"{key}.system = {variant.system!r}: allowed are {list(PEERS)}; without it, points change the model"
                continue
            if variant.settings and variant.system is None:
                yield f"{key}.settings: allowed only with system {' or '.join(PEERS)}; change the model through `points`"
                continue
            for backbone, settings in variant.settings.items():
                try:
                    PEERS[str(variant.system)].model_validate(settings)
                except ValidationError as error:
                    yield from (f"{key}.settings.{backbone}.{in_words(detail)}" for detail in error.errors())
            yield from self._point_problems(f"{key}.points", variant, is_full=name == FULL)

    def _point_problems(self, key: str, variant: VariantParams, *, is_full: bool) -> Iterator[str]:
        labels: dict[Configuration, str] = {}
        for label, changes in variant.points.items():
            others = [change for change in changes if variant.system and change != "model.modality"]
            if others:
                yield f"{key}.{label}: {others[0]} does not concern {variant.system}; allowed is model.modality"
                continue
            try:
                configuration = self.base.changed(changes)
            except KeyError as error:
                yield f"{key}.{label}: {error.args[0]}"
            except ValidationError as error:
                yield from (f"{key}.{label}: {in_words(detail)}" for detail in error.errors())
            else:
                twin = labels.setdefault(configuration, label)
                if twin != label:
                    yield f"{key}.{label}: is the same configuration as {twin}; allowed are different ones"
        if is_full and labels and self.base not in labels:
            yield f"{key}: has no point that is study.base itself, such as T+A: {{}}"


def _unknown(key: str, names: Sequence[str], where: str, known: list[str]) -> Iterator[str]:
    return (f"{key}: {name!r} is not {where}; allowed are {known}" for name in names if name not in known)
