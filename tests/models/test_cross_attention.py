"""Cross-modal fusion attention against its formula, written as loops over positions in float64."""

import math

import pytest
import torch
from small_models import randomize
from torch import Tensor, nn

from erc_core.models.cross_attention import CrossModalFusionAttention

WIDTH, TEXT, SPEECH = 6, 4, 5
GARBAGE = 1e3


@torch.no_grad()
def formula(
    z_own_SD: Tensor, qkv_own: nn.Linear, norm: nn.LayerNorm, z_other_SD: Tensor, qkv_other: nn.Linear, heads: int
) -> Tensor:
    """LN(Z + softmax(Q K^T / sqrt(d)) V) of one sequence, with keys and values of the other one."""
    size = WIDTH // heads
    rows = []
    for z in z_own_SD:
        read = torch.zeros(WIDTH, dtype=torch.float64)
        for head in range(heads):
            own = range(head * size, (head + 1) * size)
            q, k, v = ([part * WIDTH + column for column in own] for part in range(3))
            query = qkv_own.weight[q] @ z + qkv_own.bias[q]
            shares = [
                math.exp(float(query @ (qkv_other.weight[k] @ other + qkv_other.bias[k])) / math.sqrt(size))
                for other in z_other_SD
            ]
            for share, other in zip(shares, z_other_SD, strict=True):
                read[list(own)] += share / sum(shares) * (qkv_other.weight[v] @ other + qkv_other.bias[v])
        total = z + read
        centred = total - total.sum() / WIDTH
        rows.append(centred / ((centred**2).sum() / WIDTH + norm.eps).sqrt() * norm.weight + norm.bias)
    return torch.stack(rows)


def make(heads: int = 1) -> CrossModalFusionAttention:
    torch.manual_seed(0)
    cfa = CrossModalFusionAttention(WIDTH, heads).double()
    randomize(cfa)
    return cfa


def inputs(text: list[list[int]], speech: list[list[int]]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return two batches with garbage at all positions but the given ones, and their masks."""
    generator = torch.Generator().manual_seed(1)
    made: list[Tensor] = []
    for length, chosen in ((TEXT, text), (SPEECH, speech)):
        sequences = torch.randn(len(chosen), length, WIDTH, generator=generator, dtype=torch.float64)
        mask = torch.zeros(len(chosen), length, dtype=torch.bool)
        for row, positions in enumerate(chosen):
            mask[row, positions] = True
        sequences[~mask] = GARBAGE
        made += [sequences, mask]
    return made[0], made[1], made[2], made[3]


@pytest.mark.parametrize("heads", [1, 2])
def test_is_its_formula_over_the_positions_that_are_not_masked(heads: int):
    cfa = make(heads)
    # a gap in the middle too: an utterance without speech leaves one
    text, mask_t, speech, mask_a = inputs([[0, 1, 2, 3], [0], [1, 2]], [[0, 2], [0, 1, 2, 3, 4], [3]])
    fused_t, fused_a = cfa(text, mask_t, speech, mask_a)
    for row in range(3):
        z_t, z_a = text[row, mask_t[row]], speech[row, mask_a[row]]
        expected_t = formula(z_t, cfa.text_qkv, cfa.text_norm, z_a, cfa.speech_qkv, heads)
        expected_a = formula(z_a, cfa.speech_qkv, cfa.speech_norm, z_t, cfa.text_qkv, heads)
        torch.testing.assert_close(fused_t[row, mask_t[row]], expected_t, rtol=0, atol=1e-12)
        torch.testing.assert_close(fused_a[row, mask_a[row]], expected_a, rtol=0, atol=1e-12)


def test_a_row_with_nothing_on_the_other_side_keeps_its_layer_norm():
    cfa = make()
    text, mask_t, speech, mask_a = inputs([[0, 1], [], []], [[], [0, 4], []])
    text, speech = text.requires_grad_(), speech.requires_grad_()
    fused_t, fused_a = cfa(text, mask_t, speech, mask_a)
    torch.testing.assert_close(fused_t[0], cfa.text_norm(text[0]), rtol=0, atol=0)
    torch.testing.assert_close(fused_a[1], cfa.speech_norm(speech[1]), rtol=0, atol=0)
    assert (fused_a[0] != cfa.speech_norm(speech[0])).any()
    (fused_t.square().sum() + fused_a.square().sum()).backward()
    for name, tensor in {"text": text, "speech": speech, **dict(cfa.named_parameters())}.items():
        assert tensor.grad is not None, name
        assert tensor.grad.isfinite().all(), name


def test_has_six_projections_and_two_norms_and_nothing_else():
    assert sum(p.numel() for p in make().parameters()) == 6 * (WIDTH * WIDTH + WIDTH) + 2 * 2 * WIDTH


def test_refuses_heads_that_do_not_divide_the_width():
    with pytest.raises(ValueError, match="6 cannot be split into 4 heads"):
        CrossModalFusionAttention(WIDTH, 4)
