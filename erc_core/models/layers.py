"""A transformer layer in parts, so that what several passes share is computed once.

A block of the JFM passes F_m through the same ViT block twice, once beside v and once beside v'_bar, and uses only some
positions of each result (Eq. 1 and 4); F_t likewise (Eq. 2 and 3). Projections of a position do not depend on the other
positions, and results that are cut off need not be computed: the queries, keys and values of F_m serve both passes, and the
first pass computes the joint positions only. The results are those of the whole layers.

B batch, S positions, Q query positions, H heads, D width, E width of a head.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
import torch.nn.functional as F
from timm.layers.attention import Attention
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from transformers.models.bert.modeling_bert import BertLayer, BertSelfAttention


@dataclass(frozen=True)
class Projections:
    """Queries, keys and values of some positions, (B, H, S, E) each."""

    q_BHSE: Tensor
    k_BHSE: Tensor
    v_BHSE: Tensor

    def expand(self, batch: int) -> "Projections":
        """Return what is the same for the whole batch, (1, H, S, E), as (B, H, S, E)."""
        return Projections(*(part.expand(batch, -1, -1, -1) for part in (self.q_BHSE, self.k_BHSE, self.v_BHSE)))


class LayerParts(Protocol):
    """What a transformer layer is made of: projections, attention, and everything after it."""

    def project(self, sequence_BSD: Tensor) -> Projections:
        """Return the projections of positions; each depends on its own position alone."""

    def finish(self, sequence_BQD: Tensor, attended_BHQE: Tensor) -> Tensor:
        """Return the layer's output at positions, from its input there and what they attended to."""

    @property
    def attention_dropout(self) -> float:
        """Probability that an attention weight is dropped; 0 outside training."""


class VitParts:
    """The parts of a timm ViT block: normalisation comes first."""

    def __init__(self, block: nn.Module) -> None:
        """Take a block.

        Raises:
            TypeError: The block is not of the standard kind.
        """
        if not isinstance(block, Block) or not isinstance(block.attn, Attention):
            raise TypeError(f"{type(block).__name__} is not a standard ViT block")
        self.block = block
        self.attention = block.attn

    def project(self, sequence_BSD: Tensor) -> Projections:
        """Return the projections of positions."""
        attention = self.attention
        parts = _heads(attention.qkv(self.block.norm1(sequence_BSD)), attention.num_heads)
        return Projections(attention.q_norm(parts.q_BHSE), attention.k_norm(parts.k_BHSE), parts.v_BHSE)

    def finish(self, sequence_BQD: Tensor, attended_BHQE: Tensor) -> Tensor:
        """Return the block's output at positions."""
        block, attention = self.block, self.attention
        mixed = attention.proj_drop(attention.proj(attention.norm(attended_BHQE.transpose(1, 2).flatten(2))))
        sequence_BQD = sequence_BQD + block.drop_path1(block.ls1(mixed))
        output: Tensor = sequence_BQD + block.drop_path2(block.ls2(block.mlp(block.norm2(sequence_BQD))))
        return output

    @property
    def attention_dropout(self) -> float:
        """Probability that an attention weight is dropped."""
        return self.attention.attn_drop.p if self.block.training else 0.0


class BertParts:
    """The parts of a BERT layer: normalisation comes last. Made anew for each forward pass, as it keeps joined weights."""

    def __init__(self, layer: BertLayer) -> None:
        """Take a layer.

        Raises:
            TypeError: The layer's self-attention is not BERT's.
        """
        if not isinstance(layer.attention.self, BertSelfAttention):
            raise TypeError(f"{type(layer.attention.self).__name__} is not BERT's self-attention")
        self.layer = layer
        self.attention = layer.attention.self

    def project(self, sequence_BSD: Tensor) -> Projections:
        """Return the projections of positions."""
        weight_XD, bias_X = self._qkv
        return _heads(F.linear(sequence_BSD, weight_XD, bias_X), self.attention.num_attention_heads)

    @cached_property
    def _qkv(self) -> tuple[Tensor, Tensor]:
        """The three matrices one above the other, and their biases: one product is faster than three, both ways."""
        linears = (self.attention.query, self.attention.key, self.attention.value)
        return torch.cat([linear.weight for linear in linears]), torch.cat([linear.bias for linear in linears])

    def finish(self, sequence_BQD: Tensor, attended_BHQE: Tensor) -> Tensor:
        """Return the layer's output at positions."""
        mixed = self.layer.attention.output(attended_BHQE.transpose(1, 2).flatten(2), sequence_BQD)
        output: Tensor = self.layer.feed_forward_chunk(mixed)  # type: ignore[no-untyped-call]
        return output

    @property
    def attention_dropout(self) -> float:
        """Probability that an attention weight is dropped."""
        return self.attention.dropout.p if self.layer.training else 0.0


def attend(parts: LayerParts, q_BHQE: Tensor, sources: list[Projections], bias_B11S: Tensor) -> Tensor:
    """Return (B, H, Q, E): what queries draw from the positions of several sources, one after another; see attention_bias."""
    return F.scaled_dot_product_attention(
        q_BHQE,
        _join([source.k_BHSE for source in sources]),
        _join([source.v_BHSE for source in sources]),
        attn_mask=bias_B11S,
        dropout_p=parts.attention_dropout,
    )


def attention_bias(mask_BS: Tensor, like: Tensor) -> Tensor:
    """Return a mask as what is added to attention scores, (B, 1, 1, S): 0 where it is true, minus infinity elsewhere.

    Attention makes this of a mask at every call; made here, several passes share it. It has the precision of `like`, of which
    the scores are made.
    """
    bias_BS = torch.zeros(mask_BS.shape, dtype=like.dtype, device=mask_BS.device).masked_fill_(~mask_BS, -torch.inf)
    return bias_BS[:, None, None, :]


def _heads(qkv_BSX: Tensor, heads: int) -> Projections:
    """Take queries, keys and values side by side, X = 3 H E, apart. Their gradients come back in one copy."""
    return Projections(*(part.view(*part.shape[:2], heads, -1).transpose(1, 2) for part in qkv_BSX.chunk(3, dim=-1)))


def _join(parts_BHSE: list[Tensor]) -> Tensor:
    return torch.cat(parts_BHSE, dim=2) if len(parts_BHSE) > 1 else parts_BHSE[0]
