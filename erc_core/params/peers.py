"""Hyper-parameters of the peer systems, which read whole dialogues; see docs/systems/."""

from pydantic import Field, model_validator

from erc_core.params.backbones import heads_divide_width
from erc_core.params.section import Section


class PeerParams(Section):
    """What every peer system has: sizes and its optimisation."""

    width: int = Field(ge=1)
    heads: int = Field(ge=1)
    layers: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    epochs: int = Field(ge=1)
    batch_dialogues: int = Field(ge=1)

    _heads_fit = model_validator(mode="after")(heads_divide_width)


class ScfaParams(PeerParams):
    """SCFA (Zhao et al., Interspeech 2023); docs/systems/scfa.md says where each value comes from."""


class MultiEmoParams(PeerParams):
    """MultiEMO (Shi & Huang, ACL 2023); docs/systems/multiemo.md says where each value comes from."""

    mlp_ratio: float = Field(gt=0)
    temperature: float = Field(gt=0)
    alpha: float = Field(ge=0)
    gamma: float = Field(ge=0)
    swfc_weight: float = Field(ge=0)
    soft_hgr_weight: float = Field(ge=0)
    ce_weight: float = Field(gt=0)


# the systems by name; erc_core/peers/registry.py has what makes each
PEERS: dict[str, type[PeerParams]] = {"scfa": ScfaParams, "multiemo": MultiEmoParams}
