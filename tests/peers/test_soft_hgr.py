"""Soft-HGR against its definition, at its optimum, and where there is no covariance."""

import pytest
import torch
from torch import Tensor

from erc_core.peers.multiemo import soft_hgr_loss


def pairs(samples: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    f, noise = (torch.randn(samples, width, generator=generator, dtype=torch.float64) for _ in range(2))
    return f + 3, 0.5 * f + noise - 2  # related, and far from centred


def loop(f_KW: Tensor, g_KW: Tensor) -> Tensor:
    """-E[f^T g] + 1/2 tr(cov(f) cov(g)), entry by entry."""
    samples, width = f_KW.shape

    def covariance(x: Tensor, y: Tensor, i: int, j: int) -> Tensor:
        x, y = x[:, i] - sum(x[:, i]) / samples, y[:, j] - sum(y[:, j]) / samples
        return sum(x[k] * y[k] for k in range(samples)) / (samples - 1)

    correlation = sum(covariance(f_KW, g_KW, i, i) for i in range(width))
    # tr(AB) = sum_i sum_j A_ij B_ji
    trace = sum(covariance(f_KW, f_KW, i, j) * covariance(g_KW, g_KW, j, i) for i in range(width) for j in range(width))
    return trace / 2 - correlation


@pytest.mark.parametrize(("samples", "width"), [(2, 3), (5, 4), (9, 2), (3, 6)])
def test_it_is_the_definition_with_its_gradient(samples: int, width: int):
    exact = [x.requires_grad_() for x in pairs(samples, width)]
    ours = [x.detach().float().requires_grad_() for x in exact]
    expected, found = loop(*exact), soft_hgr_loss(*ours)
    expected.backward()
    found.backward()
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    for x, reference in zip(ours, exact, strict=True):
        torch.testing.assert_close(x.grad.double(), reference.grad, rtol=1e-4, atol=1e-5)


def test_the_same_white_features_are_the_optimum():
    f, other = pairs(50, 4)
    white = torch.linalg.qr(f - f.mean(dim=0))[0] * 49**0.5
    least = soft_hgr_loss(white, white)
    assert least.item() == pytest.approx(-4 / 2, abs=1e-5)
    for step in (0.01, 0.1, 1.0):
        assert soft_hgr_loss(white + step * other, white) > least
        assert soft_hgr_loss((1 + step) * white, (1 + step) * white) > least


def test_unrelated_features_have_nothing_to_gain():
    # f and g of an orthogonal design: no covariance between them, so only the penalty is left
    design = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert soft_hgr_loss(design[:, :1], design[:, 1:]).item() == pytest.approx((4 / 3) ** 2 / 2, rel=1e-6)


@pytest.mark.parametrize("samples", [0, 1])
def test_fewer_than_two_utterances_give_zero_with_zero_gradients(samples: int):
    f, g = (x.float().requires_grad_() for x in pairs(samples, 3))
    loss = soft_hgr_loss(f, g)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(f.grad, torch.zeros_like(f))
    assert torch.equal(g.grad, torch.zeros_like(g))


def test_half_precision_is_computed_in_single():
    f, g = (x.bfloat16() for x in pairs(6, 3))
    with torch.autocast("cpu", torch.bfloat16):
        found = soft_hgr_loss(f, g)
    torch.testing.assert_close(found.double(), loop(f.double(), g.double()), rtol=1e-5, atol=1e-5)
