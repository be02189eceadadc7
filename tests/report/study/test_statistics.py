import numpy as np
import pytest
from scipy.stats import binom, ttest_1samp
from sklearn.metrics import accuracy_score, f1_score

from erc_core.evaluation import bootstrap
from erc_core.evaluation.scores import score
from erc_core.report.study.statistics import PairedDifference, holm, paired_dialogue_bootstrap, paired_t, seed_summary

LABELS = ["neutral", "joy", "anger"]
# Student, "The probable error of a mean", Biometrika 6, 1908: hours of sleep gained by two drugs, the data set `sleep`
# of R, whose help page and t.test(paired = TRUE) give the values below
DRUG_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
DRUG_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def systems(
    n_dialogues: int, seed: int, strength: tuple[float, float] = (1.0, 1.0)
) -> tuple[list[str], list[str], np.ndarray, np.ndarray]:
    """Return dialogue ids, gold labels and the (n, 3) probabilities of two systems.

    Both get their evidence for the gold label in the given strengths, and more of it in dialogues that are easy.
    """
    rng = np.random.default_rng(seed)
    dialogue = np.repeat(np.arange(n_dialogues), rng.integers(3, 12, n_dialogues))
    gold = rng.choice(3, len(dialogue), p=[0.5, 0.3, 0.2])
    ease = rng.normal(1, 0.5, n_dialogues)[dialogue]
    probabilities = []
    for factor in strength:
        logits = rng.normal(size=(len(gold), 3))
        logits[np.arange(len(gold)), gold] += factor * ease
        probabilities.append(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    return [f"test/dia{i}" for i in dialogue], [LABELS[i] for i in gold], *probabilities


def predicted(probabilities: np.ndarray) -> list[str]:
    return [LABELS[i] for i in probabilities.argmax(axis=1)]


def test_seed_summary_of_students_data():
    summary = seed_summary(np.subtract(DRUG_1, DRUG_2).tolist(), 0.95)
    assert (summary.n, summary.mean) == (10, pytest.approx(-1.58))
    assert summary.sd == pytest.approx(1.2299955)
    assert (summary.low, summary.high) == (pytest.approx(-2.4598858), pytest.approx(-0.7001142))


def test_seed_summary_of_few_seeds():
    values = [0.612, 0.634]
    expected = ttest_1samp(values, 0).confidence_interval(0.9)
    two = seed_summary(values, 0.9)
    assert (two.low, two.high) == pytest.approx((expected.low, expected.high))
    one = seed_summary([0.6], 0.95)
    assert (one.mean, one.sd, one.low, one.high, one.n) == (0.6, None, None, None, 1)
    same = seed_summary([0.5, 0.5, 0.5], 0.95)
    assert (same.mean, same.sd, same.low, same.high) == (0.5, 0, 0.5, 0.5)
    with pytest.raises(ValueError, match="at least one seed"):
        seed_summary([], 0.95)


def test_paired_t_of_students_data():
    assert paired_t(DRUG_1, DRUG_2) == pytest.approx(0.002833, abs=5e-7)
    assert paired_t(DRUG_2, DRUG_1) == paired_t(DRUG_1, DRUG_2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0.7, 0.6], [0.7, 0.6], 1.0),
        # 0.3 and 0.1 + 0.2 are the same score, computed along two ways
        ([0.3, 0.5, 0.6], [0.1 + 0.2, 0.5, 0.6], 1.0),
        # the differences are 0.1 but for rounding, so there is no spread to hold them against
        ([0.7, 0.8, 0.3], [0.6, 0.7, 0.2], None),
        ([0.7], [0.5], None),
        ([], [], None),
    ],
)
def test_paired_t_without_spread(a, b, expected):
    assert paired_t(a, b) == expected


def test_paired_t_refuses_what_cannot_be_paired():
    with pytest.raises(ValueError, match="3 and 2 seeds"):
        paired_t([0.1, 0.2, 0.3], [0.1, 0.2])


def test_holm_published_example():
    # Documentation of pingouin.multicomp (Vallat, Journal of Open Source Software 3(31), 2018), method "holm"
    assert holm([0.50, 0.003, 0.32, 0.054, 0.0003]) == pytest.approx([0.64, 0.012, 0.64, 0.162, 0.0015])


def test_holm_passes_over_comparisons_without_a_test():
    assert holm([None, 0.01, None, 0.03]) == [None, pytest.approx(0.02), None, pytest.approx(0.03)]
    assert holm([None, 0.6, 0.7]) == [None, 1.0, 1.0]
    assert holm([0.04]) == [pytest.approx(0.04)]
    assert holm([None]) == [None]
    assert holm([]) == []
    for wrong in (1.2, float("nan")):
        with pytest.raises(ValueError, match="from 0 to 1"):
            holm([0.5, wrong])


def test_bootstrap_equals_a_loop_over_the_same_resamples(monkeypatch):
    dialogue_ids, gold, a, b = systems(12, seed=0, strength=(1.3, 0.9))
    drawn = []

    def recording(data, statistic, **arguments):
        def record(dialogues, axis=-1):
            drawn.extend(np.atleast_2d(dialogues))
            return statistic(dialogues, axis=axis)

        return scipy_bootstrap(data, record, **arguments)

    scipy_bootstrap = bootstrap.bootstrap
    monkeypatch.setattr(bootstrap, "bootstrap", recording)
    result = paired_dialogue_bootstrap(dialogue_ids, gold, a, b, LABELS, samples=39, confidence=0.9, seed=0)
    assert len(drawn) == 39

    names, ids, gold_array = sorted(set(dialogue_ids)), np.array(dialogue_ids), np.array(gold)

    def scores(rows, probabilities):
        truth, guess = gold_array[rows], np.array(predicted(probabilities))[rows]
        wf1 = f1_score(truth, guess, labels=LABELS, average="weighted", zero_division=0)
        macro_f1 = f1_score(truth, guess, labels=np.unique(truth), average="macro", zero_division=0)
        return np.array([accuracy_score(truth, guess), wf1, macro_f1])

    rows = [np.concatenate([np.flatnonzero(ids == names[i]) for i in resample]) for resample in drawn]
    differences = np.array([scores(taken, a) - scores(taken, b) for taken in rows])
    whole = scores(np.arange(len(gold)), a) - scores(np.arange(len(gold)), b)
    for i, found in enumerate(result.values()):
        low, high = np.quantile(differences[:, i], [0.05, 0.95])
        beyond = min((differences[:, i] < 1e-9).sum(), (differences[:, i] > -1e-9).sum())
        expected = (whole[i], low, high, 2 * (beyond + 1) / 40)
        assert (found.difference, found.low, found.high, found.p) == pytest.approx(expected)
    # a p value at its smallest would say nothing about how the resamples beyond 0 are counted
    assert 0.05 < result["acc"].p < 1


def test_bootstrap_differences_are_those_of_the_reported_scores():
    dialogue_ids, gold, a, b = systems(20, seed=1)
    result = paired_dialogue_bootstrap(dialogue_ids, gold, a, b, LABELS, samples=200, confidence=0.95, seed=0)
    of_a, of_b = (score(gold, predicted(probabilities), LABELS) for probabilities in (a, b))
    for name in ("acc", "wf1", "macro_f1"):
        assert result[name].difference == pytest.approx(getattr(of_a, name) - getattr(of_b, name))


def test_swapped_systems_mirror_the_result():
    dialogue_ids, gold, a, b = systems(30, seed=2, strength=(1.2, 1.0))
    arguments = {"labels": LABELS, "samples": 300, "confidence": 0.9, "seed": 0}
    forth = paired_dialogue_bootstrap(dialogue_ids, gold, a, b, **arguments)
    back = paired_dialogue_bootstrap(dialogue_ids, gold, b, a, **arguments)
    for name in ("acc", "wf1", "macro_f1"):
        there, here = forth[name], back[name]
        assert there.difference == -here.difference != 0
        assert (there.low, there.high) == pytest.approx((-here.high, -here.low))
        assert there.p == here.p


def test_order_of_utterances_and_batches_change_nothing(monkeypatch):
    dialogue_ids, gold, a, b = systems(15, seed=3)
    arguments = {"labels": LABELS, "samples": 200, "confidence": 0.95}
    first = paired_dialogue_bootstrap(dialogue_ids, gold, a, b, seed=5, **arguments)
    order = np.random.default_rng(0).permutation(len(gold))
    shuffled = [[column[i] for i in order] for column in (dialogue_ids, gold)]
    monkeypatch.setattr(bootstrap, "BATCH_BYTES", 20_000)
    assert paired_dialogue_bootstrap(*shuffled, a[order], b[order], seed=5, **arguments) == first
    assert paired_dialogue_bootstrap(dialogue_ids, gold, a, b, seed=6, **arguments) != first


def test_equal_systems_differ_by_nothing():
    dialogue_ids, gold, a, _ = systems(10, seed=4)
    # the same predictions from other probabilities
    result = paired_dialogue_bootstrap(dialogue_ids, gold, a, a**2, LABELS, samples=100, confidence=0.95, seed=0)
    assert result == dict.fromkeys(("acc", "wf1", "macro_f1"), PairedDifference(0.0, 0.0, 0.0, 1.0))


def test_a_difference_by_rounding_is_none():
    # Every dialogue is the same and the classes change places from a to b, so the sums of F1 differ in their order only
    gold, a, b = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 0, 2]), np.array([2, 0, 2, 1, 2, 0])
    dialogue_ids, gold_labels = [f"d{i}" for i in range(6) for _ in gold], [LABELS[i] for i in gold] * 6
    one_hot = [np.eye(3)[np.tile(predicted_index, 6)] for predicted_index in (a, b)]
    for pair in (one_hot, one_hot[::-1]):
        result = paired_dialogue_bootstrap(
            dialogue_ids, gold_labels, *pair, LABELS, samples=100, confidence=0.9, seed=0
        )
        assert 0 < abs(result["macro_f1"].difference) < 1e-15
        assert result["macro_f1"].p == 1


def test_a_better_system_has_the_smallest_p_and_an_interval_above_zero():
    dialogue_ids, gold, a, b = systems(40, seed=5, strength=(3.0, 0.5))
    result = paired_dialogue_bootstrap(dialogue_ids, gold, a, b, LABELS, samples=199, confidence=0.95, seed=0)
    assert result["wf1"].p == 0.01
    assert result["wf1"].low > 0


def test_under_the_null_p_is_small_as_often_as_it_says():
    # Two systems of one skill whose errors are drawn apart
    trials, level = 200, 0.1
    results = [
        paired_dialogue_bootstrap(*systems(40, seed=i), LABELS, samples=199, confidence=0.9, seed=i)
        for i in range(trials)
    ]
    lowest, highest = binom.interval(0.999, trials, level)
    for name in ("acc", "wf1", "macro_f1"):
        small = sum(result[name].p <= level for result in results)
        assert lowest <= small <= highest


def test_a_single_dialogue_has_differences_only():
    gold = ["joy", "anger"]
    a, b = np.eye(3)[[1, 2]], np.eye(3)[[1, 0]]
    result = paired_dialogue_bootstrap(["d", "d"], gold, a, b, LABELS, samples=100, confidence=0.95, seed=0)
    assert result["acc"] == PairedDifference(0.5, None, None, None)


def test_fewer_than_five_units_have_differences_only():
    few, enough = (
        paired_dialogue_bootstrap(*systems(n, seed=6), LABELS, samples=100, confidence=0.95, seed=0) for n in (4, 5)
    )
    for name in ("acc", "wf1", "macro_f1"):
        assert (few[name].low, few[name].high, few[name].p) == (None, None, None)
        assert None not in (enough[name].low, enough[name].high, enough[name].p)


def test_bootstrap_refuses_probabilities_that_do_not_fit():
    dialogue_ids, gold, a, b = systems(3, seed=6)
    arguments = {"samples": 100, "confidence": 0.95, "seed": 0}
    with pytest.raises(ValueError, match="shape"):
        paired_dialogue_bootstrap(dialogue_ids, gold, a, b[:, :2], LABELS, **arguments)
    with pytest.raises(ValueError, match="finite"):
        paired_dialogue_bootstrap(dialogue_ids, gold, np.full_like(a, np.nan), b, LABELS, **arguments)
    with pytest.raises(ValueError, match="dialogue ids"):
        paired_dialogue_bootstrap(dialogue_ids[:-1], gold, a, b, LABELS, **arguments)
