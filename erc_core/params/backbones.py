"""Section `backbones`: the sizes and sources of the encoders and of the fusion transformers."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from erc_core.params.section import Section


class TransformerSizes(Section):
    """Sizes of a transformer that is made from a configuration, with random weights."""

    source: Literal["config"]
    width: int = Field(ge=1)
    depth: int = Field(ge=1)
    heads: int = Field(ge=1)
    mlp_ratio: float = Field(gt=0)

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "TransformerSizes":
        check_heads(self.heads, self.width, "heads", "width")
        return self


class Pretrained(Section):
    """A pretrained transformer, by its name on the hub or by the path of a local folder."""

    source: Literal["pretrained"]
    name: str = Field(min_length=1)


class TextEncoderFromConfig(TransformerSizes):
    """A frozen RoBERTa with random weights, and a tokenizer learned from the train split."""

    vocab_size: int = Field(ge=300, le=100_000)
    layer: int = Field(ge=1)
    seed: int = Field(ge=0, lt=2**32)

    @model_validator(mode="after")
    def _layer_exists(self) -> "TextEncoderFromConfig":
        if self.layer > self.depth:
            raise ValueError(f"layer = {self.layer}: allowed is 1 to depth ({self.depth})")
        return self


class PretrainedTextEncoder(Pretrained):
    """A pretrained text encoder, read at one of its layers."""

    layer: int = Field(ge=1)


TextEncoderParams = Annotated[TextEncoderFromConfig | PretrainedTextEncoder, Field(discriminator="source")]
TransformerParams = Annotated[TransformerSizes | Pretrained, Field(discriminator="source")]


class ExtractorParams(Section):
    """The trained text feature extractor between the frozen encoder and the fusion module."""

    layers: int = Field(ge=1)
    heads: int = Field(ge=1)
    width: int = Field(ge=1)
    mlp_ratio: float = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "ExtractorParams":
        check_heads(self.heads, self.width, "heads", "width")
        return self


class BackboneTraining(Section):
    """Training values that belong to a backbone; `train` uses them where it says `auto`."""

    lr: float = Field(gt=0)
    epochs: int = Field(ge=1)
    schedule: Literal["constant", "linear", "cosine"]
    warmup: float = Field(ge=0, lt=1)
    patchout: float = Field(ge=0, lt=1)
    freq_mask: float = Field(ge=0, lt=1)
    time_mask: float = Field(ge=0, lt=1)


class BackboneParams(Section):
    """Everything that `backbone: NAME` switches."""

    text_encoder: TextEncoderParams
    extractor: ExtractorParams
    bert: TransformerParams
    vit: TransformerParams
    patch: int = Field(ge=1)
    training: BackboneTraining

    @model_validator(mode="after")
    def _one_width(self) -> "BackboneParams":
        bert, vit = self.bert, self.vit
        if isinstance(bert, TransformerSizes) and isinstance(vit, TransformerSizes) and bert.width != vit.width:
            raise ValueError(
                f"vit.width = {vit.width}: allowed is bert.width ({bert.width}); joint vectors pass between the two"
            )
        return self


def check_heads(heads: int, width: int, heads_name: str, width_name: str) -> None:
    """Refuse a number of attention heads that does not divide the width."""
    if width % heads:
        divisors = ", ".join(str(n) for n in range(1, min(width, 64) + 1) if width % n == 0)
        raise ValueError(f"{heads_name} = {heads}: allowed are divisors of {width_name} ({width}): {divisors}")
