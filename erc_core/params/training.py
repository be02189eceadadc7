"""Sections about runs: train, evaluate, pack, report, parallel."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from erc_core.params.backbones import Schedule
from erc_core.params.section import Auto, Count, Epochs, Factor, Name, Rate, Section, Weight

Share = Annotated[float, Field(ge=0, lt=1)]
Processes = Annotated[int, Field(ge=1, le=1024)]


class TrainParams(Section):
    """The optimisation of the model; `auto` takes the value from backbones.<backbone>.training."""

    speed_only: ClassVar = ("features", "memory_share")

    seed: int = Field(ge=0, lt=2**32)
    optimizer: Literal["adam", "adamw"]
    lr: Rate | Auto
    weight_decay: Weight
    batch_size: Count
    accumulate: Count
    epochs: Count | Auto
    schedule: Literal[Auto, Schedule]
    warmup: Epochs | Auto
    plateau_factor: Factor | Auto
    plateau_patience: Count | Auto
    patchout: Share | Auto
    freq_mask: Share | Auto
    time_mask: Share | Auto
    masks: int = Field(ge=1, le=1000)
    patience: Count | Auto
    grad_clip: float = Field(ge=0, le=1e9)
    precision: Literal["auto", "float32", "bfloat16"]
    features: Literal["auto", "memory", "lazy"]
    memory_share: float = Field(gt=0, le=1)


class EvaluateParams(Section):
    """Scores on the test split and their intervals."""

    speed_only: ClassVar = ("batch_size",)

    bootstrap_samples: int = Field(ge=100, le=100_000)
    confidence: float = Field(gt=0.5, lt=1)
    seed: int = Field(ge=0, lt=2**32)
    batch_size: Count


class PackParams(Section):
    """What a model says when it is handed on."""

    license: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=60)] | None


class ReportParams(Section):
    """What the report shows."""

    title: Name
    top_errors: int = Field(ge=0, le=1000)


class ParallelParams(Section):
    """How work spreads over processes and machines; no result depends on it."""

    backend: Literal["processes", "dask"]
    scheduler: str | None
    workers: Processes | Auto
    threads: Processes | Auto
