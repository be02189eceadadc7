"""Hyper-parameters of the peer systems, which read whole dialogues; see docs/systems/."""

from typing import Annotated

from pydantic import Field, model_validator

from erc_core.params.backbones import Optimisation, heads_divide_width
from erc_core.params.by_dataset import ByDataset
from erc_core.params.section import Count, Depth, MlpRatio, Temperature, Weight, Width


class PeerParams(Optimisation, ByDataset):
    """What every peer system has: sizes and its optimisation."""

    width: Width
    heads: Width
    layers: Depth
    dropout: float = Field(ge=0, lt=1)
    weight_decay: Weight
    batch_dialogues: Count

    _heads_fit = model_validator(mode="after")(heads_divide_width)


class ScfaParams(PeerParams):
    """SCFA (Zhao et al., Interspeech 2023); docs/systems/scfa.md says where each value comes from."""


class MultiEmoParams(PeerParams):
    """MultiEMO (Shi & Huang, ACL 2023); docs/systems/multiemo.md says where each value comes from."""

    mlp_ratio: MlpRatio
    temperature: Temperature
    alpha: Weight
    gamma: Annotated[float, Field(ge=0, le=100)]
    swfc_weight: Weight
    soft_hgr_weight: Weight
    ce_weight: float = Field(gt=0, le=1000)


# the systems by name; erc_core/peers/registry.py has what makes each
PEERS: dict[str, type[PeerParams]] = {"scfa": ScfaParams, "multiemo": MultiEmoParams}
