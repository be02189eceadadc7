"""Section `backbones`: the sizes and sources of the encoders and of the fusion transformers."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from erc_core.params.by_dataset import ByDataset
from erc_core.params.section import Count, Depth, Epochs, Factor, MlpRatio, Name, Rate, Section, Width


def heads_divide_width(section: Any) -> Any:
    """Refuse a section whose number of attention heads does not divide its width."""
    heads, width = section.heads, section.width
    if width % heads:
        divisors = ", ".join(str(n) for n in range(1, min(width, 64) + 1) if width % n == 0)
        raise ValueError(f"heads = {heads}: allowed are divisors of width ({width}): {divisors}")
    return section


class TransformerSizes(Section):
    """Sizes of a transformer that is made from a configuration, with random weights."""

    source: Literal["config"]
    width: Width
    depth: Depth
    heads: Width
    mlp_ratio: MlpRatio

    _heads_fit = model_validator(mode="after")(heads_divide_width)


class Pretrained(Section):
    """A pretrained transformer, by its name on the hub or by the path of a local folder."""

    source: Literal["pretrained"]
    name: Name


class TextEncoderFromConfig(TransformerSizes):
    """A frozen RoBERTa with random weights, and a tokenizer learned from the train split."""

    vocab_size: int = Field(ge=300, le=100_000)
    layer: Depth
    seed: int = Field(ge=0, lt=2**32)

    @model_validator(mode="after")
    def _layer_exists(self) -> "TextEncoderFromConfig":
        if self.layer > self.depth:
            raise ValueError(f"layer = {self.layer}: allowed is 1 to depth ({self.depth})")
        return self


class PretrainedTextEncoder(Pretrained):
    """A pretrained text encoder, read at one of its layers."""

    layer: Depth


TextEncoderParams = Annotated[TextEncoderFromConfig | PretrainedTextEncoder, Field(discriminator="source")]
TransformerParams = Annotated[TransformerSizes | Pretrained, Field(discriminator="source")]


class ExtractorParams(Section):
    """The trained text feature extractor between the frozen encoder and the fusion module."""

    layers: Depth
    heads: Width
    width: Width
    mlp_ratio: MlpRatio
    dropout: float = Field(ge=0, lt=1)

    _heads_fit = model_validator(mode="after")(heads_divide_width)


Schedule = Literal["constant", "linear", "cosine", "plateau"]


class Optimisation(Section):
    """How far and how fast a system is trained: each has its own."""

    lr: Rate
    epochs: Count
    schedule: Schedule
    warmup: Epochs


class Recipe(Optimisation):
    """How the model of this project is trained."""

    patchout: float = Field(ge=0, lt=1)
    freq_mask: float = Field(ge=0, lt=1)
    time_mask: float = Field(ge=0, lt=1)
    patience: Count
    plateau_factor: Factor
    plateau_patience: Count


class BackboneTraining(Recipe, ByDataset):
    """Training values that belong to a backbone, and perhaps a dataset; `train` uses them where it says `auto`."""


class BackboneParams(Section):
    """Everything that `backbone: NAME` switches."""

    text_encoder: TextEncoderParams
    extractor: ExtractorParams
    bert: TransformerParams
    vit: TransformerParams
    patch: int = Field(ge=1, le=512)
    training: BackboneTraining

    @model_validator(mode="after")
    def _one_width(self) -> "BackboneParams":
        bert, vit = self.bert, self.vit
        if isinstance(bert, TransformerSizes) and isinstance(vit, TransformerSizes) and bert.width != vit.width:
            raise ValueError(
                f"vit.width = {vit.width}: allowed is bert.width ({bert.width}); joint vectors pass between the two"
            )
        return self
