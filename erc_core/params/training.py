"""Sections about runs: train, evaluate, report, parallel."""

from typing import ClassVar, Literal

from pydantic import Field

from erc_core.params.backbones import BackboneTraining
from erc_core.params.section import Section


class TrainParams(Section):
    """The optimisation of the model; `auto` takes the value from backbones.<backbone>.training."""

    speed_only: ClassVar = ("features", "memory_share")

    seed: int = Field(ge=0, lt=2**32)
    optimizer: Literal["adam", "adamw"]
    lr: float | Literal["auto"]
    weight_decay: float = Field(ge=0)
    batch_size: int = Field(ge=1)
    accumulate: int = Field(ge=1)
    epochs: int | Literal["auto"]
    schedule: Literal["auto", "constant", "linear", "cosine"]
    warmup: float | Literal["auto"]
    patchout: float | Literal["auto"]
    freq_mask: float | Literal["auto"]
    time_mask: float | Literal["auto"]
    masks: int = Field(ge=1)
    patience: int = Field(ge=1)
    grad_clip: float = Field(ge=0)
    precision: Literal["auto", "float32", "bfloat16"]
    features: Literal["auto", "memory", "lazy"]
    memory_share: float = Field(gt=0, le=1)


class ResolvedTraining(Section):
    """`train` with every `auto` replaced by the backbone's value."""

    lr: float
    epochs: int
    schedule: Literal["constant", "linear", "cosine"]
    warmup: float
    patchout: float
    freq_mask: float
    time_mask: float
    masks: int


def resolve_training(train: TrainParams, backbone: BackboneTraining) -> ResolvedTraining:
    """Replace every `auto` of `train` by the value of the backbone."""
    return ResolvedTraining(
        lr=backbone.lr if train.lr == "auto" else train.lr,
        epochs=backbone.epochs if train.epochs == "auto" else train.epochs,
        schedule=backbone.schedule if train.schedule == "auto" else train.schedule,
        warmup=backbone.warmup if train.warmup == "auto" else train.warmup,
        patchout=backbone.patchout if train.patchout == "auto" else train.patchout,
        freq_mask=backbone.freq_mask if train.freq_mask == "auto" else train.freq_mask,
        time_mask=backbone.time_mask if train.time_mask == "auto" else train.time_mask,
        masks=train.masks,
    )


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
    workers: int | Literal["auto"]
    threads: int | Literal["auto"]
