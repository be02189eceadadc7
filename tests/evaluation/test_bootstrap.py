import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from erc_core.evaluation.bootstrap import bootstrap_intervals, dialogue_confusions, scores_from_confusion
from erc_core.evaluation.scores import confusion, per_class, score

LABELS = ["neutral", "joy", "anger", "fear"]


def conversations(n_dialogues: int, seed: int = 0, correct: float = 0.6) -> tuple[list[str], list[str], list[str]]:
    """Return dialogue ids, gold and predicted labels; errors cluster in dialogues, as real ones do."""
    rng = np.random.default_rng(seed)
    dialogues, gold, predicted = [], [], []
    for dialogue in range(n_dialogues):
        skill = rng.beta(4 * correct, 4 * (1 - correct))
        for _ in range(rng.integers(3, 12)):
            label = str(rng.choice(LABELS, p=[0.5, 0.3, 0.15, 0.05]))
            dialogues.append(f"test/dia{dialogue}")
            gold.append(label)
            predicted.append(label if rng.random() < skill else str(rng.choice(LABELS)))
    return dialogues, gold, predicted


utterances = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "d"]), st.sampled_from(LABELS), st.sampled_from(LABELS)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(utterances, st.randoms(use_true_random=False))
def test_scores_of_summed_matrices_are_those_of_scikit_learn(rows, random):
    dialogues, gold, predicted = (list(column) for column in zip(*rows, strict=True))
    counts = dialogue_confusions(dialogues, gold, predicted, LABELS)
    names = sorted(set(dialogues))
    drawn = [random.randrange(len(names)) for _ in names]
    taken = [row for i in drawn for row in rows if row[0] == names[i]]
    gold, predicted = [row[1] for row in taken], [row[2] for row in taken]

    values = scores_from_confusion(counts[drawn].sum(axis=0))

    present = [label for label in LABELS if label in gold]
    by_class = f1_score(gold, predicted, labels=LABELS, average=None, zero_division=0)
    expected = [
        accuracy_score(gold, predicted),
        f1_score(gold, predicted, labels=LABELS, average="weighted", zero_division=0),
        f1_score(gold, predicted, labels=present, average="macro", zero_division=0),
        *by_class,
    ]
    np.testing.assert_allclose(values, expected, atol=1e-12)


def test_the_full_sample_equals_scikit_learn_and_the_matrices_sum_to_its_confusion():
    dialogues, gold, predicted = conversations(30)
    counts = dialogue_confusions(dialogues, gold, predicted, LABELS)
    assert counts.shape == (30, 4, 4)
    np.testing.assert_array_equal(counts.sum(axis=0), confusion(gold, predicted, LABELS))
    scores = score(gold, predicted, LABELS)
    expected = [scores.acc, scores.wf1, scores.macro_f1, *per_class(gold, predicted, LABELS)["f1"]]
    np.testing.assert_allclose(scores_from_confusion(counts.sum(axis=0)), expected, atol=1e-12)


def test_many_matrices_at_once_equal_one_by_one():
    counts = dialogue_confusions(*conversations(12), LABELS).reshape(3, 4, 4, 4).sum(axis=1)
    together = scores_from_confusion(counts)
    assert together.shape == (7, 3)
    np.testing.assert_array_equal(together, np.stack([scores_from_confusion(c) for c in counts], axis=-1))


def test_intervals_are_those_of_resampling_dialogues_row_by_row():
    dialogues, gold, predicted = conversations(40)
    counts = dialogue_confusions(dialogues, gold, predicted, LABELS)
    intervals = bootstrap_intervals(counts, LABELS, samples=2000, confidence=0.9, seed=0)

    rng = np.random.default_rng(1)
    ids, gold_array, predicted_array = np.array(dialogues), np.array(gold), np.array(predicted)
    rows = {name: np.flatnonzero(ids == name) for name in set(dialogues)}
    names = sorted(rows)
    accuracies, joys = [], []
    for _ in range(2000):
        taken = np.concatenate([rows[name] for name in rng.choice(names, len(names))])
        accuracies.append((gold_array[taken] == predicted_array[taken]).mean())
        joy_gold, joy_predicted = gold_array[taken] == "joy", predicted_array[taken] == "joy"
        joys.append(2 * (joy_gold & joy_predicted).sum() / (joy_gold.sum() + joy_predicted.sum()))
    for interval, values in ((intervals.acc, accuracies), (intervals.f1["joy"], joys)):
        assert [interval.low, interval.high] == pytest.approx(np.quantile(values, [0.05, 0.95]), abs=0.012)


def test_intervals_are_wider_than_those_that_take_utterances_for_independent():
    dialogues, gold, predicted = conversations(60)
    whole = dialogue_confusions(dialogues, gold, predicted, LABELS)
    single = dialogue_confusions([str(i) for i in range(len(gold))], gold, predicted, LABELS)
    widths = []
    for counts in (whole, single):
        interval = bootstrap_intervals(counts, LABELS, samples=1000, confidence=0.95, seed=0).acc
        widths.append(interval.high - interval.low)
    assert widths[0] > 1.2 * widths[1]


def test_intervals_hold_the_score_and_grow_with_confidence():
    dialogues, gold, predicted = conversations(50)
    counts = dialogue_confusions(dialogues, gold, predicted, LABELS)
    wf1 = score(gold, predicted, LABELS).wf1
    narrow = bootstrap_intervals(counts, LABELS, samples=500, confidence=0.8, seed=0).wf1
    wide = bootstrap_intervals(counts, LABELS, samples=500, confidence=0.99, seed=0).wf1
    assert wide.low < narrow.low < wf1 < narrow.high < wide.high


def test_same_seed_same_intervals_whatever_the_order_of_the_rows(monkeypatch):
    dialogues, gold, predicted = conversations(20)
    arguments = {"labels": LABELS, "samples": 300, "confidence": 0.95}
    counts = dialogue_confusions(dialogues, gold, predicted, LABELS)
    first = bootstrap_intervals(counts, seed=3, **arguments)
    assert bootstrap_intervals(counts, seed=3, **arguments) == first
    assert bootstrap_intervals(counts, seed=4, **arguments) != first
    backwards = dialogue_confusions(dialogues[::-1], gold[::-1], predicted[::-1], LABELS)
    assert bootstrap_intervals(backwards, seed=3, **arguments) == first
    # nor does it matter how many resamples fit into a batch
    monkeypatch.setattr("erc_core.evaluation.bootstrap.BATCH_BYTES", 7 * counts.nbytes)
    assert bootstrap_intervals(counts, seed=3, **arguments) == first


def test_a_single_dialogue_has_no_intervals():
    counts = dialogue_confusions(["a", "a"], ["joy", "anger"], ["joy", "joy"], LABELS)
    intervals = bootstrap_intervals(counts, LABELS, samples=200, confidence=0.95, seed=0)
    assert (intervals.acc, intervals.wf1, intervals.macro_f1) == (None, None, None)
    assert intervals.f1 == dict.fromkeys(LABELS)


def test_a_class_that_is_not_in_gold_has_no_interval():
    counts = dialogue_confusions(list("abcdef"), ["joy", "anger"] * 3, ["joy", "fear"] * 3, LABELS)
    f1 = bootstrap_intervals(counts, LABELS, samples=200, confidence=0.95, seed=0).f1
    assert f1["fear"] is None
    assert f1["neutral"] is None
    assert f1["joy"].high == 1.0


def test_perfect_predictions_have_an_interval_without_width():
    dialogues, gold, _ = conversations(10)
    counts = dialogue_confusions(dialogues, gold, gold, LABELS)
    interval = bootstrap_intervals(counts, LABELS, samples=200, confidence=0.95, seed=0).macro_f1
    assert (interval.low, interval.high) == (1.0, 1.0)
