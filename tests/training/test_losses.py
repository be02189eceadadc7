"""The training loss: cross entropy as others compute it, and the weight of the contrastive term."""

import pytest
import torch
from sklearn.metrics import log_loss

from erc_core.models.batch import Output
from erc_core.params.model import ICLParams
from erc_core.training.losses import icl_loss, training_loss

LABELS = torch.tensor([0, 2, 1, 2, 0, 1])


def make_output(dtype: torch.dtype = torch.float32, scale: float = 2.0) -> Output:
    generator = torch.Generator().manual_seed(0)
    text, mel = (scale * torch.randn(6, 3, generator=generator) for _ in range(2))
    return Output(
        logits_BC=((text + mel) / 2).to(dtype).requires_grad_(),
        text_logits_BC=text.to(dtype).requires_grad_(),
        mel_logits_BC=mel.to(dtype).requires_grad_(),
        features_BF=torch.randn(6, 8, generator=generator).to(dtype).requires_grad_(),
    )


def icl(weight: float = 0.1, temperature: float = 0.1, *, normalize: bool = True) -> ICLParams:
    return ICLParams(weight=weight, temperature=temperature, normalize=normalize)


def test_cross_entropy_is_that_of_scikit_learn_on_the_averaged_logits():
    output = make_output()
    losses = training_loss(output, LABELS, icl())
    probabilities = torch.softmax(output.logits_BC.detach().double(), dim=1)
    assert losses.erc.item() == pytest.approx(log_loss(LABELS, probabilities, labels=[0, 1, 2]), rel=1e-6)
    # not the average of the streams' own cross entropies
    streams = [torch.nn.functional.cross_entropy(x, LABELS) for x in (output.text_logits_BC, output.mel_logits_BC)]
    assert losses.erc.item() != pytest.approx((sum(streams) / 2).item(), rel=1e-2)


def test_cross_entropy_is_minus_the_mean_log_probability():
    output = make_output()
    logits = output.logits_BC.detach().double()
    by_hand = [-(row[label] - row.exp().sum().log()) for row, label in zip(logits, LABELS, strict=True)]
    assert training_loss(output, LABELS, icl(0.0)).total.item() == pytest.approx(sum(by_hand).item() / 6, rel=1e-6)


@pytest.mark.parametrize("weight", [0.1, 1.0, 2.5])
@pytest.mark.parametrize(("temperature", "normalize"), [(0.1, True), (0.5, True), (2.0, False)])
def test_the_total_is_both_parts_weighted(weight: float, temperature: float, normalize: bool):
    output = make_output()
    losses = training_loss(output, LABELS, icl(weight, temperature, normalize=normalize))
    contrastive = icl_loss(output.features_BF, LABELS, temperature=temperature, normalize=normalize)
    torch.testing.assert_close(losses.icl, contrastive.detach())
    torch.testing.assert_close(losses.total.detach(), losses.erc + weight * losses.icl)
    assert losses.icl > 0


def test_only_the_total_is_trained_on_and_it_reaches_both_inputs():
    output = make_output()
    losses = training_loss(output, LABELS, icl(0.7))
    assert not losses.erc.requires_grad
    assert not losses.icl.requires_grad
    losses.total.backward()
    expected = (torch.softmax(output.logits_BC.detach(), dim=1) - torch.nn.functional.one_hot(LABELS, 3)) / 6
    torch.testing.assert_close(output.logits_BC.grad, expected)
    again = make_output()
    icl_loss(again.features_BF, LABELS, temperature=0.1).backward()
    torch.testing.assert_close(output.features_BF.grad, 0.7 * again.features_BF.grad)


def test_a_weight_of_zero_is_cross_entropy_alone():
    output = make_output()
    losses = training_loss(output, LABELS, icl(0.0))
    losses.total.backward()
    assert losses.total.item() == losses.erc.item()
    assert losses.icl.item() == 0
    assert output.features_BF.grad is None


def test_a_weight_of_zero_does_not_let_bad_features_in():
    # 0 x nan is nan: the contrastive term must not be computed at all
    output = make_output()
    with torch.no_grad():
        output.features_BF.fill_(float("nan"))
    assert torch.isfinite(training_loss(output, LABELS, icl(0.0)).total)


def test_a_batch_without_positives_trains_on_cross_entropy():
    output = make_output()
    losses = training_loss(
        Output(output.logits_BC[:3], None, None, output.features_BF[:3]), torch.tensor([0, 1, 2]), icl(5.0)
    )
    assert losses.icl.item() == 0
    assert losses.total.item() == losses.erc.item()


@pytest.mark.parametrize("within_autocast", [True, False])
@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_half_precision_logits_are_raised_to_single(weight: float, within_autocast: bool):
    output = make_output(torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=within_autocast):
        losses = training_loss(output, LABELS, icl(weight))
    assert {losses.total.dtype, losses.erc.dtype, losses.icl.dtype} == {torch.float32}
    expected = torch.nn.functional.cross_entropy(output.logits_BC.detach().double(), LABELS)
    assert losses.erc.item() == pytest.approx(expected.item(), rel=1e-6)


def test_large_logits_stay_finite():
    losses = training_loss(make_output(scale=1e4), LABELS, icl(0.0))
    losses.total.backward()
    assert torch.isfinite(losses.total)
