"""The risk-coverage curve against keeping rows one by one, with scikit-learn's scores."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from erc_core.evaluation.coverage import PERCENTS, coverage_curve
from erc_core.params.training import EvaluateParams

PARAMS = EvaluateParams(bootstrap_samples=200, confidence=0.9, seed=1, batch_size=8)
rows = st.lists(
    st.tuples(st.sampled_from([0.3, 0.5, 0.500001, 0.9, 1.0]), st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)),
    min_size=1,
    max_size=60,
)


def plain(taken, percent):
    """Return number, W-F1 and accuracy of the most confident rows; sorted is stable, so of equal ones the earlier stays."""
    kept = sorted(taken, key=lambda row: -row[0])[: math.ceil(round(percent * len(taken) / 100, 9))]
    gold, predicted = [row[1] for row in kept], [row[2] for row in kept]
    wf1 = f1_score(gold, predicted, labels=range(4), average="weighted", zero_division=0)
    return len(kept), wf1, accuracy_score(gold, predicted)


def curve(taken, params=PARAMS):
    confidence, gold, predicted, unit = (np.array(column) for column in zip(*taken, strict=True))
    return coverage_curve(confidence, gold, predicted, 4, np.unique(unit, return_inverse=True)[1], params)


@settings(max_examples=80, deadline=None)
@given(rows)
def test_the_curve_is_that_of_keeping_the_most_confident_rows(taken):
    found = curve(taken)
    assert [kept.coverage for kept in found] == list(PERCENTS)
    for kept in found:
        n, wf1, accuracy = plain(taken, kept.coverage)
        assert kept.n == n
        assert (kept.wf1.value, kept.acc.value) == pytest.approx((wf1, accuracy), abs=1e-6)
        assert kept.least == sorted((row[0] for row in taken), reverse=True)[n - 1]
        assert kept.wf1.low is None


def test_of_equally_confident_answers_the_earlier_stay():
    taken = [(0.9, 0, 0, 0), (0.9, 1, 0, 0), (0.9, 1, 0, 0), (0.9, 1, 0, 0)]
    halves = [next(kept for kept in curve(order) if kept.coverage == 25) for order in (taken, taken[::-1])]
    assert [kept.acc.value for kept in halves] == [1.0, 0.0]
    # what differs beyond the decimals of predictions.csv is equal: anyone finds the same curve from that file
    nearly = [(0.9 + 4e-7 if i else 0.9, *row[1:]) for i, row in enumerate(taken)]
    assert next(kept for kept in curve(nearly) if kept.coverage == 25).acc.value == 1.0


def test_intervals_are_those_of_resampled_units_row_by_row():
    rng = np.random.default_rng(0)
    taken = []
    for i in range(160):
        confidence = round(float(rng.uniform(0.3, 1)), 2)
        gold = int(rng.integers(4))
        predicted = gold if rng.random() < confidence else int(rng.integers(4))
        taken.append((confidence, gold, predicted, i // 4))
    found = curve(taken, PARAMS.model_copy(update={"bootstrap_samples": 1500}))
    names = sorted({row[3] for row in taken})
    # in a resample the copies of an utterance stay neighbours, in the place that it has in the split
    place = {name: [i for i, row in enumerate(taken) if row[3] == name] for name in names}
    drawn = []
    for _ in range(1500):
        places = sorted(i for name in rng.choice(names, len(names)) for i in place[int(name)])
        drawn.append([plain([taken[i] for i in places], percent)[1:] for percent in PERCENTS[::6]])
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    for i, kept in enumerate(found[::6]):
        for j, one in enumerate((kept.wf1, kept.acc)):
            assert (one.low, one.high) == pytest.approx(
                (low[i, j], high[i, j]), abs=0.15 * (high[i, j] - low[i, j]) + 1e-9
            )
