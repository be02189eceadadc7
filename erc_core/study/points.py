"""The points of a variant: the configurations that it trains, the seeds, and a peer's hyper-parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from erc_core.errors import ParamsError
from erc_core.params.peers import PEERS, PeerParams
from erc_core.params.schema import Params
from erc_core.params.study import FULL, Configuration, StudyParams


@dataclass(frozen=True)
class Point:
    """One configuration of a variant: study.base with changes (dotted key: value)."""

    label: str
    changes: Mapping[str, Any]
    configuration: Configuration
    is_base: bool  # whether it is study.base itself in another variant than `full`, which trains it

    def value(self, key: str) -> Any:
        """Return the value of a dotted key."""
        section, _, name = key.partition(".")
        return getattr(getattr(self.configuration, section), name)


def points_of(study: StudyParams, variant: str) -> list[Point]:
    """Return the points of a variant, in the order of params.yaml."""
    params = study.variants[variant]
    points = []
    for label, changes in params.points.items():
        configuration = study.base.changed(changes)
        is_base = configuration == study.base and params.system is None and variant != FULL
        points.append(Point(label, changes, configuration, is_base))
    return points


def base_label(study: StudyParams) -> str:
    """Return the label of the point of variant `full` that is study.base itself."""
    return next(point.label for point in points_of(study, FULL) if point.configuration == study.base)


def seeds_of(study: StudyParams, variant: str) -> list[int]:
    """Return the seeds of a variant's trainings."""
    return list(range(study.sweep_seeds if study.variants[variant].sweep else study.seeds))


def settings_of(params: Params, variant: str, dataset: str) -> PeerParams | None:
    """Return a peer's hyper-parameters for the selected backbone and a dataset; None for the model of this project.

    Raises:
        ParamsError: The variant has none for it.
    """
    system, settings = params.study.variants[variant].system, params.study.variants[variant].settings
    if system is None:
        return None
    if params.backbone not in settings:
        key = f"study.variants.{variant}.settings"
        raise ParamsError(f"{key}: has nothing for backbone {params.backbone!r}; add {key}.{params.backbone}")
    return PEERS[system].model_validate(settings[params.backbone]).of_dataset(dataset)
