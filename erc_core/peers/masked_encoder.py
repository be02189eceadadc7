"""A transformer encoder layer under one mask for all heads, whose memory grows as fast as a dialogue, not as its square.

B dialogues, U utterances, W width, H heads, E width of a head, Q queries of a block.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

BLOCK = 512  # queries that attend at a time; dialogues of people are shorter


class MaskedEncoderLayer(nn.TransformerEncoderLayer):
    """nn.TransformerEncoderLayer with its weights, its result and its order of random numbers (post-norm, GELU).

    torch wants a mask for each head, turns it into floats, and keeps all shares of all heads for the backward pass. Here all
    heads read one mask, and queries attend in blocks, whose shares are computed again in the backward pass where there is
    more than one.
    """

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__(width, heads, feedforward, dropout, activation="gelu", batch_first=True)

    def forward(self, h_BUW: Tensor, may_attend_BUU: Tensor) -> Tensor:  # type: ignore[override]
        """Return (B, U, W); each utterance (row of the mask) must be allowed to attend to one (column) at least."""
        weights = self.self_attn
        qkv = F.linear(h_BUW, weights.in_proj_weight, weights.in_proj_bias)
        # (B, H, U, E) each
        q, k, v = (part.unflatten(2, (weights.num_heads, -1)).transpose(1, 2) for part in qkv.chunk(3, dim=2))  # type: ignore[no-untyped-call]
        attend = self._attend_again if torch.is_grad_enabled() and h_BUW.shape[1] > BLOCK else self._attend
        blocks = zip(torch.split(q, BLOCK, dim=2), torch.split(may_attend_BUU, BLOCK, dim=1), strict=True)
        read_BHUE = torch.cat([attend(q_BHQE, k, v, may_BQU) for q_BHQE, may_BQU in blocks], dim=2)
        # utterances first in memory, as torch has it: dropout draws its numbers in this order
        read_BUW = weights.out_proj(read_BHUE.permute(2, 0, 1, 3).flatten(2)).transpose(0, 1)
        h_BUW = self.norm1(h_BUW + self.dropout1(read_BUW))
        hidden = self.dropout(F.gelu(self.linear1(h_BUW)))
        next_BUW: Tensor = self.norm2(h_BUW + self.dropout2(self.linear2(hidden)))
        return next_BUW

    def _attend(self, q_BHQE: Tensor, k_BHUE: Tensor, v_BHUE: Tensor, may_BQU: Tensor) -> Tensor:
        dropout = self.self_attn.dropout if self.training else 0.0
        return F.scaled_dot_product_attention(q_BHQE, k_BHUE, v_BHUE, attn_mask=may_BQU[:, None], dropout_p=dropout)

    def _attend_again(self, *inputs: Tensor) -> Tensor:
        read_BHQE: Tensor = checkpoint(self._attend, *inputs, use_reentrant=False)
        return read_BHQE
