"""Section `scfa`: the speaker-aware cross-modal fusion architecture, a system that reads whole dialogues."""

from pydantic import Field, model_validator

from erc_core.params.backbones import check_heads
from erc_core.params.section import Section


class ScfaParams(Section):
    """Sizes of SCFA and its training."""

    width: int = Field(ge=1)
    heads: int = Field(ge=1)
    layers: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    epochs: int = Field(ge=1)
    batch_dialogues: int = Field(ge=1)

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "ScfaParams":
        check_heads(self.heads, self.width, "heads", "width")
        return self
