"""Sections about runs: train, evaluate, report, parallel."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from erc_core.params.section import Auto, Section

Share = Annotated[float, Field(ge=0, lt=1)]


class TrainParams(Section):
    """The optimisation of the model; `auto` takes the value from backbones.<backbone>.training."""

    speed_only: ClassVar = ("features", "memory_share")

    seed: int = Field(ge=0, lt=2**32)
    optimizer: Literal["adam", "adamw"]
    lr: Annotated[float, Field(gt=0)] | Auto
    weight_decay: float = Field(ge=0)
    batch_size: int = Field(ge=1)
    accumulate: int = Field(ge=1)
    epochs: Annotated[int, Field(ge=1)] | Auto
    schedule: Literal["auto", "constant", "linear", "cosine"]
    warmup: Share | Auto
    patchout: Share | Auto
    freq_mask: Share | Auto
    time_mask: Share | Auto
    masks: int = Field(ge=1)
    patience: int = Field(ge=1)
    grad_clip: float = Field(ge=0)
    precision: Literal["auto", "float32", "bfloat16"]
    features: Literal["auto", "memory", "lazy"]
    memory_share: float = Field(gt=0, le=1)


class EvaluateParams(Section):
    """Scores on the test split and their intervals."""

    speed_only: ClassVar = ("batch_size",)

    bootstrap_samples: int = Field(ge=100)
    confidence: float = Field(gt=0.5, lt=1)
    seed: int = Field(ge=0, lt=2**32)
    batch_size: int = Field(ge=1)


class ReportParams(Section):
    """What the report shows."""

    title: str = Field(min_length=1)
    top_errors: int = Field(ge=0)


class ParallelParams(Section):
    """How work spreads over processes and machines; no result depends on it."""

    backend: Literal["processes", "dask"]
    scheduler: str | None
    workers: Annotated[int, Field(ge=1)] | Auto
    threads: Annotated[int, Field(ge=1)] | Auto
