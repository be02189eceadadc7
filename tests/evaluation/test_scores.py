import numpy as np
import pytest
from sklearn.metrics import classification_report

from erc_core.evaluation.scores import confusion, per_class, score

LABELS = ["neutral", "joy", "anger", "fear"]
GOLD = ["neutral", "neutral", "joy", "anger", "joy", "neutral"]
PREDICTED = ["neutral", "joy", "joy", "neutral", "fear", "neutral"]


def test_scores_are_those_of_scikit_learn():
    report = classification_report(GOLD, PREDICTED, labels=LABELS, output_dict=True, zero_division=0)
    scores = score(GOLD, PREDICTED, LABELS)
    assert scores.n == 6
    assert scores.acc == pytest.approx(3 / 6)
    assert scores.wf1 == pytest.approx(report["weighted avg"]["f1-score"])
    frame = per_class(GOLD, PREDICTED, LABELS)
    assert frame["emotion"].to_list() == LABELS
    for row in frame.iter_rows(named=True):
        expected = report[row["emotion"]]
        assert row["precision"] == pytest.approx(expected["precision"])
        assert row["recall"] == pytest.approx(expected["recall"])
        assert row["f1"] == pytest.approx(expected["f1-score"])
        assert row["support"] == expected["support"]


def test_macro_f1_leaves_out_a_class_that_gold_does_not_have():
    # fear is predicted once and never gold: it costs joy its recall, but is no fourth class of the mean
    frame = per_class(GOLD, PREDICTED, LABELS)
    assert score(GOLD, PREDICTED, LABELS).macro_f1 == pytest.approx(frame["f1"][:3].mean())


def test_confusion_has_gold_in_rows():
    counts = confusion(GOLD, PREDICTED, LABELS)
    assert counts.shape == (4, 4)
    assert counts[LABELS.index("joy"), LABELS.index("fear")] == 1
    assert counts[LABELS.index("fear")].sum() == 0
    assert counts.sum() == 6
    assert np.trace(counts) == 3


@pytest.mark.parametrize(
    ("gold", "predicted", "labels", "message"),
    [
        ([], [], LABELS, "no utterances"),
        (["joy"], [], LABELS, "1 gold labels but 0 predictions"),
        (["joy"], ["bliss"], LABELS, r"\['bliss'\] are not among"),
        (["joy"], ["joy"], ["joy", "joy"], "listed twice"),
    ],
)
def test_what_cannot_be_scored_is_refused(gold, predicted, labels, message):
    for function in (score, per_class, confusion):
        with pytest.raises(ValueError, match=message):
            function(gold, predicted, labels)
