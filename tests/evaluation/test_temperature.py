"""The temperature against loops in plain double precision, and at the ends where there is no best one."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

from erc_core.errors import ErcError
from erc_core.evaluation.temperature import DECIMALS, HIGHEST, LOWEST, Calibration, fit_temperature, nlls


def overconfident(n: int = 400, classes: int = 5, sharpness: float = 3.0, seed: int = 0):
    """Return logits that are `sharpness` times those by which the gold classes were drawn."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, classes))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    gold = np.array([rng.choice(classes, p=row) for row in p])
    return (sharpness * logits).astype(np.float32), gold


def plain_nll(logits, gold, temperature):
    """Return the NLL utterance by utterance, Guo et al. Eq. 9 and the softmax written out."""
    total = 0.0
    for row, label in zip(logits.tolist(), gold.tolist(), strict=True):
        scaled = [z / temperature for z in row]
        top = max(scaled)
        total += math.log(sum(math.exp(z - top) for z in scaled)) + top - scaled[label]
    return total / len(gold)


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 3.0, 7.0])
def test_the_temperature_has_the_lowest_nll_and_is_about_what_the_logits_were_sharpened_by(sharpness):
    logits, gold = overconfident(sharpness=sharpness, n=2000)
    fitted = fit_temperature(logits, gold)
    found = minimize_scalar(
        lambda t: plain_nll(logits, gold, math.exp(t)), bounds=(math.log(0.05), math.log(20)), method="bounded",
        options={"xatol": 1e-9},
    )  # fmt: skip
    assert fitted.temperature == pytest.approx(math.exp(found.x), rel=1e-5)
    assert fitted.temperature == pytest.approx(sharpness, rel=0.1)
    assert fitted.nll_before == pytest.approx(plain_nll(logits, gold, 1.0), abs=1e-6)
    assert fitted.nll_after == pytest.approx(plain_nll(logits, gold, fitted.temperature), abs=1e-6)
    p = np.exp(logits.astype(float) / fitted.temperature)
    assert fitted.nll_after == pytest.approx(log_loss(gold, p / p.sum(axis=1, keepdims=True)), abs=1e-6)
    assert (fitted.n, fitted.split, fitted.at_an_end) == (2000, "dev", False)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 6), st.floats(0.01, 1e4), st.integers(0, 10_000))
def test_whatever_the_logits_the_nll_never_rises_and_the_temperature_stays_in_range(n, classes, scale, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, scale, (n, classes)).astype(np.float32)
    gold = rng.integers(0, classes, n)
    fitted = fit_temperature(logits, gold)
    assert LOWEST <= fitted.temperature <= HIGHEST
    assert fitted.nll_after <= fitted.nll_before
    for other in np.geomspace(LOWEST, HIGHEST, 40):
        assert fitted.nll_after <= plain_nll(logits, gold, other) + 10.0**-DECIMALS


def test_a_split_without_an_error_takes_the_lower_end_and_one_of_errors_alone_the_upper():
    logits = 4.0 * np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    right = fit_temperature(logits, np.array([0, 1, 2, 0]))
    assert (right.temperature, right.at_an_end) == (LOWEST, True)
    wrong = fit_temperature(logits, np.array([1, 2, 0, 1]))
    assert (wrong.temperature, wrong.at_an_end) == (HIGHEST, True)


@pytest.mark.parametrize("logits", [np.full((7, 1), 3.0), np.zeros((5, 4)), np.full((5, 4), 1.7)])
def test_where_every_temperature_is_as_good_it_stays_1(logits):
    fitted = fit_temperature(logits.astype(np.float32), np.zeros(len(logits), np.int64))
    assert fitted.temperature == 1.0
    assert fitted.nll_after == fitted.nll_before


def test_logits_that_would_overflow_a_softmax_have_a_finite_nll():
    logits = np.array([[1e4, -1e4, 0.0], [1e4, -1e4, 0.0]])
    assert nlls(logits, np.array([1, 0])).tolist() == [2e4, 0.0]


def test_the_order_of_the_utterances_changes_nothing():
    logits, gold = overconfident()
    order = np.random.default_rng(1).permutation(len(gold))
    assert fit_temperature(logits[order], gold[order]) == fit_temperature(logits, gold)


def test_logits_that_are_not_finite_are_told():
    logits, gold = overconfident(n=5)
    logits[3, 1] = np.nan
    with pytest.raises(ErcError, match="logits of 1 utterances of the validation split are not finite"):
        fit_temperature(logits, gold)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature"):
        Calibration(temperature=temperature, nll_before=1.0, nll_after=1.0, n=3, split="dev")
