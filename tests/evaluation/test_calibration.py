"""Calibration measures against loops over utterances in plain double precision, and against scikit-learn."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from erc_core.errors import ErcError
from erc_core.evaluation.bootstrap import bootstrap_intervals, dialogue_confusions
from erc_core.evaluation.calibration import (
    BINS,
    CalibrationReport,
    bins_of,
    chance_eces,
    ece,
    evaluate_calibration,
    reliability_bins,
)
from erc_core.evaluation.scores import score
from erc_core.evaluation.temperature import Calibration
from erc_core.params.training import EvaluateParams

LABELS = list("abcd")
PARAMS = EvaluateParams(bootstrap_samples=300, confidence=0.9, seed=3, batch_size=8)


def fitted(temperature):
    return Calibration(temperature=temperature, nll_before=1.0, nll_after=0.9, n=20, split="dev")


def made_up(n=240, classes=4, per_unit=6, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (n, classes)).astype(np.float32)
    gold = np.where(rng.random(n) < 0.6, logits.argmax(axis=1), rng.integers(0, classes, n))
    ids = [f"test/dia{i // per_unit}_utt{i % per_unit}" for i in range(n)]
    return logits, gold, ids, [name.split("_")[0] for name in ids]


def plain_softmax(row, temperature):
    powers = [math.exp((z - max(row)) / temperature) for z in row]
    return [power / sum(powers) for power in powers]


def plain_measures(logits, gold, temperature):
    """Return ECE, NLL and Brier, each from its formula, utterance by utterance."""
    bins = [[] for _ in range(15)]
    nll = brier = 0.0
    for row, label in zip(logits.tolist(), gold.tolist(), strict=True):
        p = plain_softmax(row, temperature)
        nll -= math.log(p[label])
        brier += sum((p[c] - (c == label)) ** 2 for c in range(len(p)))
        confidence = max(p)
        bins[max(0, math.ceil(confidence * 15) - 1)].append((confidence, p.index(confidence) == label))
    ece = 0.0
    for members in bins:
        if members:
            accuracy = sum(right for _, right in members) / len(members)
            ece += len(members) / len(gold) * abs(accuracy - sum(c for c, _ in members) / len(members))
    return ece, nll / len(gold), brier / len(gold)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_measures_are_those_of_the_formulas_and_of_scikit_learn(temperature):
    logits, gold, ids, units = made_up()
    report = evaluate_calibration(logits, gold, ids, units, fitted(temperature), PARAMS)
    for found, t in ((report.before, 1.0), (report.after, temperature)):
        measures = (found.measures.ece.value, found.measures.nll.value, found.measures.brier.value)
        assert measures == pytest.approx(plain_measures(logits, gold, t), abs=1e-6)
        p = np.array([plain_softmax(row, t) for row in logits.tolist()])
        assert found.measures.nll.value == pytest.approx(log_loss(gold, p, labels=range(4)), abs=1e-6)
        brier = brier_score_loss(gold, p, labels=range(4), scale_by_half=False)
        assert found.measures.brier.value == pytest.approx(brier, abs=1e-6)
        right = p.argmax(axis=1) == gold
        assert found.measures.ece.value == pytest.approx(ece(p.max(axis=1), right), abs=1e-6)
        accuracy, confidence = calibration_curve(right, p.max(axis=1), n_bins=BINS)
        filled = [one for one in found.bins if one.n]
        assert [one.accuracy for one in filled] == pytest.approx(accuracy, abs=1e-6)
        assert [one.confidence for one in filled] == pytest.approx(confidence, abs=1e-6)
        assert sum(one.n for one in found.bins) == len(gold)
    for name in ("ece", "nll", "brier"):
        before, after, change = (
            getattr(of, name).value for of in (report.before.measures, report.after.measures, report.change)
        )
        assert change == pytest.approx(after - before, abs=2e-6)


def test_intervals_are_those_of_resampling_units_row_by_row():
    """NLL and Brier are percentile intervals; that of ECE is mirrored at its value, as a resample's ECE is too high."""
    logits, gold, ids, units = made_up(per_unit=4)
    params = PARAMS.model_copy(update={"bootstrap_samples": 1500})
    report = evaluate_calibration(logits, gold, ids, units, fitted(2.0), params)
    rng = np.random.default_rng(11)
    names = sorted(set(units))
    rows = {name: [i for i, unit in enumerate(units) if unit == name] for name in names}
    drawn = []
    for _ in range(1500):
        taken = [i for name in rng.choice(names, len(names)) for i in rows[name]]
        before, after = (np.array(plain_measures(logits[taken], gold[taken], t)) for t in (1.0, 2.0))
        drawn.append([*before, *after, *(after - before)])
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    estimates = [
        getattr(of, name)
        for of in (report.before.measures, report.after.measures, report.change)
        for name in ("ece", "nll", "brier")
    ]
    for i, one in enumerate(estimates):
        ends = (low[i], high[i]) if i % 3 else (2 * one.value - high[i], 2 * one.value - low[i])
        ends = [max(0.0, end) for end in ends] if i in (0, 3) else ends
        tolerance = 0.25 * (high[i] - low[i])
        assert (one.low, one.high) == pytest.approx(ends, abs=tolerance)
        assert one.low <= one.high


def test_the_basic_interval_of_ece_holds_the_truth_more_often_than_a_percentile_interval():
    """The claim of the docstring, small: 60 units of 7 utterances of which the dialogue's sharpness differs."""
    held = np.zeros(2)
    inner = np.linspace(0, 1, 16)[1:-1]

    def draw(rng, units):
        unit = np.repeat(np.arange(units), 7)
        z = rng.normal(0, 1.7, (len(unit), 5))
        true = z * np.exp(rng.normal(0, 0.2, units))[unit, None] / 1.3
        p = np.exp(true) / np.exp(true).sum(axis=1, keepdims=True)
        gold = (p.cumsum(axis=1) > rng.random(len(unit))[:, None]).argmax(axis=1)
        q = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        gaps = np.zeros((units, 15))
        np.add.at(
            gaps, (unit, np.digitize(q.max(axis=1), inner, right=True)), (q.argmax(axis=1) == gold) - q.max(axis=1)
        )
        return gaps

    rng = np.random.default_rng(0)
    truth = np.abs(draw(rng, 60_000).sum(axis=0)).sum() / 420_000
    for _ in range(150):
        gaps = draw(rng, 60)
        value = np.abs(gaps.sum(axis=0)).sum() / 420
        times = rng.multinomial(60, np.full(60, 1 / 60), size=400)
        low, high = np.quantile(np.abs(times @ gaps).sum(axis=1) / 420, [0.025, 0.975])
        held += [low <= truth <= high, 2 * value - high <= truth <= 2 * value - low]
    assert held[0] / 150 < 0.75 < 0.82 < held[1] / 150


def test_an_edge_belongs_to_the_bin_below_it():
    confidence = np.array([1 / 15, 1 / 3, np.nextafter(1 / 3, 1), 0.999, 1.0, 1e-9])
    assert bins_of(confidence).tolist() == [0, 4, 5, 14, 14, 0]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 1), st.booleans()), min_size=1, max_size=50))
def test_bins_hold_every_answer_once_and_their_gaps_make_the_ece(answers):
    confidence, right = np.array([c for c, _ in answers]), np.array([r for _, r in answers])
    bins = reliability_bins(confidence, right)
    assert len(bins) == BINS
    assert sum(one.n for one in bins) == len(answers)
    gaps = sum(one.n * abs(one.accuracy - one.confidence) for one in bins if one.n)
    assert gaps / len(answers) == pytest.approx(ece(confidence, right), abs=2e-6)


def test_the_ece_by_chance_is_that_of_answers_drawn_by_their_confidence():
    confidence = np.random.default_rng(0).uniform(0.4, 1, 200)
    # of 15 bins the sum of |gap| of a calibrated model: a normal's mean deviation, sd sqrt(sum p (1 - p)), is a close value
    sd = [math.sqrt((confidence * (1 - confidence))[bins_of(confidence) == m].sum()) for m in range(BINS)]
    expected = math.sqrt(2 / math.pi) * sum(sd) / 200
    assert chance_eces(confidence, 4000, 0).mean() == pytest.approx(expected, rel=0.05)
    assert not chance_eces(np.ones(9), 10, 0).any()
    logits, gold, ids, units = made_up()
    report = evaluate_calibration(logits, gold, ids, units, fitted(2.0), PARAMS)
    p = np.array([plain_softmax(row, 2.0) for row in logits.tolist()]).max(axis=1)
    assert report.after.confidence == pytest.approx(p.mean(), abs=1e-6)
    drawn = [ece(p, np.random.default_rng(i).random(240) < p) for i in range(1000)]
    assert report.after.chance_ece == pytest.approx(np.mean(drawn), rel=0.05)
    assert report.after.chance_ece_high == pytest.approx(np.quantile(drawn, 0.9), rel=0.1)


def test_a_temperature_moves_no_score_and_all_answers_score_as_the_split_does():
    logits, gold, ids, units = made_up()
    names = lambda places: [LABELS[i] for i in places]  # noqa: E731
    plain = score(names(gold), names(logits.argmax(axis=1)), LABELS)
    confusions = dialogue_confusions(units, names(gold), names(logits.argmax(axis=1)), LABELS)
    intervals = bootstrap_intervals(confusions, LABELS, samples=300, confidence=0.9, seed=3)
    for temperature in (0.05, 1.0, 20.0):
        whole = evaluate_calibration(logits, gold, ids, units, fitted(temperature), PARAMS).coverage[0]
        assert (whole.coverage, whole.n) == (100, 240)
        for name in ("wf1", "acc"):
            found, interval = getattr(whole, name), getattr(intervals, name)
            expected = (getattr(plain, name), interval.low, interval.high)
            assert (found.value, found.low, found.high) == pytest.approx(expected, abs=1e-6)


def test_few_units_have_no_interval_and_one_class_no_error():
    logits, gold, ids, _ = made_up(n=8)
    report = evaluate_calibration(logits, gold, ids, ["one", "two"] * 4, fitted(2.0), PARAMS)
    assert report.before.measures.ece.value > 0
    assert {report.after.measures.nll.low, report.change.brier.high, report.coverage[-1].wf1.low} == {None}
    alone = evaluate_calibration(np.full((6, 1), 3.0), np.zeros(6, np.int64), ids[:6], ids[:6], fitted(1.0), PARAMS)
    for measure in ("ece", "nll", "brier"):
        one = getattr(alone.after.measures, measure)
        assert (one.value, one.low, one.high) == (0.0, 0.0, 0.0)
    assert {kept.wf1.value for kept in alone.coverage} == {1.0}


def test_the_order_of_the_rows_changes_nothing_and_the_file_is_read_back(tmp_path):
    logits, gold, ids, units = made_up()
    report = evaluate_calibration(logits, gold, ids, units, fitted(2.0), PARAMS)
    order = np.random.default_rng(2).permutation(len(ids))
    shuffled = evaluate_calibration(
        logits[order], gold[order], [ids[i] for i in order], [units[i] for i in order], fitted(2.0), PARAMS
    )
    assert shuffled == report
    report.write(tmp_path)
    assert CalibrationReport.read(tmp_path) == report
    text = (tmp_path / "calibration.json").read_text()
    (tmp_path / "calibration.json").write_text(text.replace('"n": 240', '"n": 241', 1))
    with pytest.raises(ErcError, match=r"calibration\.json.*checksum.*evaluate"):
        CalibrationReport.read(tmp_path)


def test_memory_does_not_grow_with_the_resamples():
    logits, gold, ids, units = made_up(n=3000, classes=40)

    def peak(samples):
        params = PARAMS.model_copy(update={"bootstrap_samples": samples})
        tracemalloc.start()
        evaluate_calibration(logits, gold, ids, units, fitted(2.0), params)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak(200) < 1.5 * peak(20) + 2e6
