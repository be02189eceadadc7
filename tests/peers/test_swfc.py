"""SWFC against a loop over its formula, against pytorch-metric-learning where it becomes SupCon, and at its edges."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.losses import SupConLoss
from torch import Tensor

from erc_core.peers.multiemo import class_weights, swfc_loss

LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 3, 1])  # 2 and 3 are alone in the batch
WEIGHTS = torch.tensor([0.1, 0.2, 0.3, 0.4])


def features(samples: int = 8, seed: int = 0) -> Tensor:
    return torch.randn(samples, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loop(features_KW: Tensor, labels: Tensor, weights: Tensor, temperature: float, gamma: float) -> Tensor:
    """The formula, sample by sample and pair by pair."""
    vectors = [vector / vector.norm() for vector in features_KW]
    total = features_KW.sum() * 0
    for i, anchor in enumerate(vectors):
        others = [j for j in range(len(vectors)) if j != i]
        positives = [p for p in others if labels[p] == labels[i]]
        denominator = sum(torch.exp(anchor @ vectors[j] / temperature) for j in others)
        for p in positives:
            s = torch.exp(anchor @ vectors[p] / temperature) / denominator
            total = total - weights[labels[i]].double() * (1 - s) ** gamma * torch.log(s) / len(positives)
    return total / len(vectors)


# ---- weights of the classes ----


def test_weights_are_the_inverse_share_to_the_power_of_alpha():
    # N / n_c = 2, 4, 4: squared 4, 16, 16, of 36 together
    torch.testing.assert_close(class_weights([20, 10, 10], 2.0), torch.tensor([4 / 36, 16 / 36, 16 / 36]))
    torch.testing.assert_close(class_weights([20, 10, 10], 0.0), torch.full((3,), 1 / 3))


def test_a_class_that_train_lacks_has_no_weight_and_changes_no_other():
    found = class_weights([20, 0, 10, 10], 1.2)
    assert found[1] == 0
    torch.testing.assert_close(found[[0, 2, 3]], class_weights([20, 10, 10], 1.2))
    assert torch.equal(class_weights([0, 0], 1.2), torch.zeros(2))


# ---- the loss ----


@settings(max_examples=40, deadline=None)
@given(
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=8),
    temperature=st.sampled_from([0.3, 0.8, 1.4]),
    gamma=st.sampled_from([0.0, 1.0, 2.4]),
    seed=st.integers(0, 1000),
)
def test_it_is_the_formula_for_any_batch(labels: list[int], temperature: float, gamma: float, seed: int):
    x, y = features(len(labels), seed), torch.tensor(labels)
    found = swfc_loss(x, y, WEIGHTS, temperature=temperature, gamma=gamma)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), loop(x, y, WEIGHTS, temperature, gamma), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_gradient_is_that_of_the_formula(gamma: float):
    exact, ours = features().requires_grad_(), features().requires_grad_()
    loop(exact, LABELS, WEIGHTS, 0.8, gamma).backward()
    swfc_loss(ours, LABELS, WEIGHTS, temperature=0.8, gamma=gamma).backward()
    torch.testing.assert_close(ours.grad, exact.grad, rtol=1e-4, atol=1e-6)


def test_without_focus_and_weights_it_is_the_supervised_contrastive_loss():
    # pytorch-metric-learning averages over the 6 anchors with a positive, SWFC over all 8 samples
    found = swfc_loss(features(), LABELS, torch.ones(4), temperature=0.5, gamma=0.0)
    expected = SupConLoss(temperature=0.5)(features().float(), LABELS) * 6 / 8
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_only_the_weight_of_the_anchors_class_counts():
    heavy = swfc_loss(features(), LABELS, torch.tensor([0.0, 1.0, 0.0, 0.0]), temperature=0.8, gamma=2.0)
    x = features().requires_grad_()
    swfc_loss(x, LABELS, torch.tensor([0.0, 0.0, 1.0, 1.0]), temperature=0.8, gamma=2.0).backward()
    assert heavy > 0
    assert torch.equal(x.grad, torch.zeros_like(x))  # 2 and 3 have no positive


# ---- edges ----


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize(
    "x",
    [features(1), features(2), features(6), features(1).expand(4, -1), torch.zeros(4, 5), 1e6 * features(4)],
    ids=["one", "two", "six", "alike", "zero", "huge"],
)
def test_one_class_stays_finite(x: Tensor, gamma: float):
    x = x.clone().float().requires_grad_()
    # two samples of one class: the share of the only other sample is 1, its logarithm 0
    loss = swfc_loss(x, torch.zeros(len(x), dtype=torch.long), WEIGHTS, temperature=0.1, gamma=gamma)
    loss.backward()
    assert torch.isfinite(loss)
    assert loss.item() == 0 if len(x) <= 2 else loss.item() > 0
    assert torch.isfinite(x.grad).all()


def test_half_precision_is_computed_in_single():
    x = features().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = swfc_loss(x, LABELS, WEIGHTS, temperature=0.8, gamma=2.0)
    torch.testing.assert_close(found.double(), loop(x.double(), LABELS, WEIGHTS, 0.8, 2.0), rtol=1e-5, atol=1e-6)
