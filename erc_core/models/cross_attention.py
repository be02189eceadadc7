"""Cross-modal fusion attention (CFA): text and speech each attend to the other, as in Zhao et al. (Interspeech 2023).

B batch, T text positions, P speech positions, S positions of either, H heads, D width, E width of a head.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class CrossModalFusionAttention(nn.Module):
    """Text attends to speech and speech to text, each with its own Q, K and V.

        d_{a->t} = softmax(Q_t K_a^T / sqrt(d)) V_a        Z_t' = LN(Z_t + d_{a->t})
        d_{t->a} = softmax(Q_a K_t^T / sqrt(d)) V_t        Z_a' = LN(Z_a + d_{t->a})

    d is the width of a head. There is neither an output projection nor a feed-forward layer, as the paper has none. The
    positions are whatever the caller gives: utterances of a dialogue, or tokens and patches of one utterance.
    """

    def __init__(self, width: int, heads: int = 1) -> None:
        """Make the projections and the two LayerNorms; the formula is written with one head.

        Raises:
            ValueError: The width cannot be split into so many heads.
        """
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"a width of {width} cannot be split into {heads} heads")
        self.heads = heads
        # Q, K and V of a modality in one matrix: one product instead of three
        self.text_qkv = nn.Linear(width, 3 * width)
        self.speech_qkv = nn.Linear(width, 3 * width)
        self.text_norm = nn.LayerNorm(width)
        self.speech_norm = nn.LayerNorm(width)

    def forward(self, text_BTD: Tensor, mask_BT: Tensor, speech_BPD: Tensor, mask_BP: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse Z_t (B, T, D) and Z_a (B, P, D), masks true where a position may be attended to, into Z_t' and Z_a'.

        Where nothing of the other side may be attended to, d is zero and Z' = LN(Z).
        """
        text_q, text_k, text_v = self._project(self.text_qkv, text_BTD)
        speech_q, speech_k, speech_v = self._project(self.speech_qkv, speech_BPD)
        to_text_BTD = _attend(text_q, speech_k, speech_v, mask_BP)
        to_speech_BPD = _attend(speech_q, text_k, text_v, mask_BT)
        fused_text_BTD: Tensor = self.text_norm(text_BTD + to_text_BTD)
        fused_speech_BPD: Tensor = self.speech_norm(speech_BPD + to_speech_BPD)
        return fused_text_BTD, fused_speech_BPD

    def _project(self, qkv: nn.Module, sequence_BSD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return Q, K and V, (B, H, S, E) each."""
        q, k, v = qkv(sequence_BSD).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return q, k, v


def _attend(q_BHSE: Tensor, k_BHSE: Tensor, v_BHSE: Tensor, mask_BS: Tensor) -> Tensor:
    """Return what each query reads from the positions that are not masked, (B, S, D); zero where all are."""
    silent_B = ~mask_BS.any(dim=1)
    # a softmax over nothing is NaN or zero, as the kernel likes: such rows read everything, and what they read is dropped
    mask_B11S = (mask_BS | silent_B[:, None])[:, None, None]
    attended_BHSE = F.scaled_dot_product_attention(q_BHSE, k_BHSE, v_BHSE, attn_mask=mask_B11S)
    return attended_BHSE.transpose(1, 2).flatten(2).masked_fill(silent_B[:, None, None], 0.0)
