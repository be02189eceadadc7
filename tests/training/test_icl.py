"""Eq. 7 against pytorch-metric-learning, against a double loop, and at its edges."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.distances import DotProductSimilarity
from pytorch_metric_learning.losses import SupConLoss
from torch import Tensor

from erc_core.training.losses import icl_loss

LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 3, 1])  # 2 and 3 are alone in the batch


def features(samples: int = 8, width: int = 6, seed: int = 0, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(samples, width, generator=torch.Generator().manual_seed(seed))


def loop(features_KF: Tensor, labels: Tensor, temperature: float, *, normalize: bool = True) -> Tensor:
    """Eq. 7, sample by sample, in double; averaged over the anchors that have a positive."""
    vectors = [vector / vector.norm() if normalize else vector for vector in features_KF.double()]
    anchors = []
    for i, anchor in enumerate(vectors):
        others = [j for j in range(len(vectors)) if j != i]
        positives = [p for p in others if labels[p] == labels[i]]
        if not positives:
            continue
        scores = {j: anchor @ vectors[j] / temperature for j in others}
        denominator = torch.logsumexp(torch.stack(list(scores.values())), dim=0)
        anchors.append(-sum(scores[p] - denominator for p in positives) / len(positives))
    return torch.stack(anchors).mean() if anchors else features_KF.double().sum() * 0


# ---- other implementations ----


@pytest.mark.parametrize("temperature", [0.07, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_is_the_supervised_contrastive_loss_of_pytorch_metric_learning(temperature: float, seed: int):
    # its reducer averages over anchors whose loss is not 0: those without a positive fall out there as here
    x = features(seed=seed)
    reference = SupConLoss(temperature=temperature)
    torch.testing.assert_close(icl_loss(x, LABELS, temperature=temperature), reference(x, LABELS), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 10.0])
def test_raw_dot_products_are_those_of_pytorch_metric_learning(temperature: float):
    x = features()
    reference = SupConLoss(temperature=temperature, distance=DotProductSimilarity(normalize_embeddings=False))
    found = icl_loss(x, LABELS, temperature=temperature, normalize=False)
    torch.testing.assert_close(found, reference(x, LABELS), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(found, icl_loss(x, LABELS, temperature=temperature))


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_gradients_are_those_of_pytorch_metric_learning(temperature: float, normalize: bool):
    distance = None if normalize else DotProductSimilarity(normalize_embeddings=False)
    ours, theirs = features().requires_grad_(), features().requires_grad_()
    icl_loss(ours, LABELS, temperature=temperature, normalize=normalize).backward()
    SupConLoss(temperature=temperature, distance=distance)(theirs, LABELS).backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=9),
    temperature=st.sampled_from([0.05, 0.1, 0.7, 5.0]),
    normalize=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_it_is_the_equation_for_any_batch(labels, temperature, normalize, seed):
    x = features(len(labels), seed=seed)
    found = icl_loss(x, torch.tensor(labels), temperature=temperature, normalize=normalize)
    expected = loop(x, torch.tensor(labels), temperature, normalize=normalize)
    assert found.dtype == torch.float32
    assert found.shape == ()
    # scores of raw dot products reach some hundreds here, of which single precision keeps 5 decimals
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5 if normalize else 3e-4)
    assert found >= -1e-6


def test_a_batch_of_one_emotion_still_has_a_loss():
    # pytorch-metric-learning gives 0 where there is no negative; the equation does not
    labels = torch.zeros(4, dtype=torch.long)
    found = icl_loss(features(4), labels, temperature=0.1)
    torch.testing.assert_close(found.double(), loop(features(4), labels, 0.1), rtol=1e-5, atol=0)
    assert found > 0.1


# ---- gradients ----


@pytest.mark.parametrize("normalize", [True, False])
def test_the_gradient_is_that_of_the_loop_and_of_finite_differences(normalize: bool):
    temperature = 0.5
    x = features(scale=0.7).double()

    def exact(value: Tensor) -> Tensor:
        return loop(value, LABELS, temperature, normalize=normalize)

    # the loop's own gradient is checked in double, and then is the measure
    assert torch.autograd.gradcheck(exact, x.clone().requires_grad_())
    reference, ours = x.clone().requires_grad_(), x.float().requires_grad_()
    exact(reference).backward()
    icl_loss(ours, LABELS, temperature=temperature, normalize=normalize).backward()
    torch.testing.assert_close(ours.grad.double(), reference.grad, rtol=1e-4, atol=1e-6)
    step = 1e-2  # single precision: a smaller one drowns in rounding
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            sides = []
            for sign in (1, -1):
                moved = x.float().clone()
                moved[i, j] += sign * step
                sides.append(icl_loss(moved, LABELS, temperature=temperature, normalize=normalize).item())
            assert (sides[0] - sides[1]) / (2 * step) == pytest.approx(ours.grad[i, j].item(), abs=2e-3)


def test_a_step_against_the_gradient_draws_one_emotion_together():
    x = features().requires_grad_()
    before = icl_loss(x, LABELS, temperature=0.5)
    before.backward()
    after = x.detach() - 0.1 * x.grad
    assert icl_loss(after, LABELS, temperature=0.5) < before
    same = (LABELS[:, None] == LABELS) & ~torch.eye(8, dtype=torch.bool)

    def closeness(value: Tensor) -> Tensor:
        unit = value / value.norm(dim=1, keepdim=True)
        return (unit @ unit.T)[same].mean()

    assert closeness(after) > closeness(x.detach())


# ---- anchors without positives ----


@pytest.mark.parametrize("labels", [[0], [0, 1], [0, 1, 2, 3, 4, 5, 6]])
def test_no_positives_give_zero_with_zero_gradients(labels: list[int]):
    x = features(len(labels)).requires_grad_()
    loss = icl_loss(x, torch.tensor(labels), temperature=0.1)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_the_mean_runs_over_anchors_with_a_positive():
    # a sample of its own emotion, opposite to all others, hardly enters any denominator: were it counted as an anchor,
    # the mean would fall by a fifth
    x = torch.tensor([[1.0, 0.5, 0.1], [1.0, 0.4, -0.1], [0.5, 1.0, 0.1], [0.4, 1.0, -0.1], [-5.0, -5.0, 0.0]])
    labels = torch.tensor([0, 0, 1, 1, 2])
    with_it, without_it = (icl_loss(x[:n], labels[:n], temperature=0.2) for n in (5, 4))
    torch.testing.assert_close(with_it, without_it, rtol=0.01, atol=0)


def test_an_anchor_without_a_positive_is_still_a_negative_of_others():
    x = features().requires_grad_()
    icl_loss(x, LABELS, temperature=0.5).backward()
    assert (x.grad[3] != 0).any()


# ---- extreme values ----


@pytest.mark.parametrize("temperature", [1e-3, 1e-2, 1.0, 1e6])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("norm", [1e-3, 1.0, 100.0])
def test_extreme_temperatures_and_norms_stay_finite(temperature: float, normalize: bool, norm: float):
    x = (norm * torch.nn.functional.normalize(features(), dim=1)).requires_grad_()
    loss = icl_loss(x, LABELS, temperature=temperature, normalize=normalize)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(x.grad).all()
    expected = loop(x.detach(), LABELS, temperature, normalize=normalize)
    torch.testing.assert_close(loss.detach().double(), expected, rtol=1e-4, atol=1e-4)


def test_at_a_high_temperature_all_others_are_alike():
    assert icl_loss(features(), LABELS, temperature=1e6).item() == pytest.approx(math.log(7), abs=1e-4)


def test_equal_and_zero_features_stay_finite():
    x = torch.zeros(8, 6)
    x[:4] = 1.0
    x.requires_grad_()
    loss = icl_loss(x, LABELS, temperature=0.1)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(x.grad).all()


# ---- invariances ----


@pytest.mark.parametrize("normalize", [True, False])
def test_the_order_of_the_batch_does_not_matter(normalize: bool):
    order = torch.tensor([5, 2, 7, 0, 3, 6, 1, 4])
    first, second = features().requires_grad_(), features()[order].requires_grad_()
    before = icl_loss(first, LABELS, temperature=0.2, normalize=normalize)
    after = icl_loss(second, LABELS[order], temperature=0.2, normalize=normalize)
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-6)
    before.backward()
    after.backward()
    torch.testing.assert_close(second.grad, first.grad[order], rtol=1e-4, atol=1e-6)


def test_names_of_labels_do_not_matter():
    renamed = torch.tensor([7, 3, 0, 1])[LABELS]
    assert torch.equal(icl_loss(features(), renamed, temperature=0.2), icl_loss(features(), LABELS, temperature=0.2))


def test_lengths_matter_to_raw_dot_products_only():
    scales = torch.linspace(0.5, 3, 8)[:, None]
    unit, scaled = features(), features() * scales
    torch.testing.assert_close(icl_loss(scaled, LABELS, temperature=0.2), icl_loss(unit, LABELS, temperature=0.2))
    raw = [icl_loss(x, LABELS, temperature=0.2, normalize=False) for x in (unit, scaled)]
    assert abs(raw[0] - raw[1]) > 0.1


# ---- precision ----


def test_autocast_does_not_touch_it():
    plain = icl_loss(features(), LABELS, temperature=0.05)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (features() @ features().T).dtype == torch.bfloat16  # autocast is on
        within = icl_loss(features(), LABELS, temperature=0.05)
    assert within.dtype == torch.float32
    assert torch.equal(within, plain)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_features_are_raised_to_single(kind: torch.dtype):
    x = features().to(kind).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = icl_loss(x, LABELS, temperature=0.05)
    loss.backward()
    assert loss.dtype == torch.float32
    assert torch.equal(loss, icl_loss(x.detach().float(), LABELS, temperature=0.05))
    assert x.grad.dtype == kind
    assert torch.isfinite(x.grad).all()
