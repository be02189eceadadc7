"""Sections about the model and its losses: model, jfm, icl."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from erc_core.params.section import Auto, Section, Temperature, Weight


class ModelParams(Section):
    """Which streams the model has, and what joins them."""

    modality: Literal["T", "A", "T+A"]
    fusion: Literal["jfm", "late", "cfa", "concatenate"]
    vit_layers: int | None = Field(default=None, ge=1, le=128)

    @model_validator(mode="after")
    def _two_streams_to_fuse(self) -> "ModelParams":
        if self.fusion != "jfm" and self.modality != "T+A":
            raise ValueError(
                f"fusion = {self.fusion!r}: allowed is 'jfm' while model.modality is {self.modality!r}; "
                "the other fusions join two streams"
            )
        return self


class JFMParams(Section):
    """The joint-vector fusion module."""

    n_blocks: int = Field(ge=1, le=24)
    joint_len: int = Field(ge=0, le=512)
    joint_init_std: Annotated[float, Field(gt=0, le=100)] | Auto
    streams: Literal["aligned", "literal"]
    layers: Literal["first", "last"]
    tied: bool
    frozen: bool


class ICLParams(Section):
    """Inter-class contrastive learning."""

    weight: Weight
    temperature: Temperature
    normalize: bool
