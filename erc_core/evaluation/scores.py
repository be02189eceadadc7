"""Scores of one set of predictions, by scikit-learn, with label names everywhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support


@dataclass(frozen=True)
class Scores:
    """Scores over all utterances of a split, fractions from 0 to 1.

    Attributes:
        acc: Accuracy.
        wf1: F1 of each class weighted by its support, the field's headline score (W-F1).
        macro_f1: Unweighted mean of F1 over the classes that occur in gold. A class without gold utterances has no
            recall; counting its F1 as zero would lower the mean for a reason that is not the model's.
        n: Number of utterances.
    """

    acc: float
    wf1: float
    macro_f1: float
    n: int


def score(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> Scores:
    """Score predictions against gold labels.

    Args:
        gold: Gold label of each utterance, at least one.
        predicted: Predicted label of each utterance.
        labels: All C label names.

    Returns:
        The scores; an undefined F1 counts as 0 (zero_division=0).

    Raises:
        ValueError: No utterances, unequal lengths, or a label that is not among `labels`.
    """
    check_labels(gold, predicted, labels)
    present = set(gold)
    occurring = [label for label in labels if label in present]
    return Scores(
        acc=float(accuracy_score(gold, predicted)),
        wf1=float(f1_score(gold, predicted, labels=list(labels), average="weighted", zero_division=0)),
        macro_f1=float(f1_score(gold, predicted, labels=occurring, average="macro", zero_division=0)),
        n=len(gold),
    )


def per_class(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> pl.DataFrame:
    """Score each class by itself.

    Args:
        gold: Gold label of each utterance, at least one.
        predicted: Predicted label of each utterance.
        labels: All C label names.

    Returns:
        C rows in the order of `labels` with columns emotion, precision, recall, f1, support. A class that does not
        occur has support 0 and undefined values written as 0 (zero_division=0).

    Raises:
        ValueError: See score.
    """
    check_labels(gold, predicted, labels)
    precision, recall, f1, support = precision_recall_fscore_support(
        gold, predicted, labels=list(labels), average=None, zero_division=0
    )
    return pl.DataFrame(
        {"emotion": list(labels), "precision": precision, "recall": recall, "f1": f1, "support": support},
        schema={
            "emotion": pl.String,
            "precision": pl.Float64,
            "recall": pl.Float64,
            "f1": pl.Float64,
            "support": pl.Int64,
        },
    )


def confusion(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Count utterances by gold and predicted label.

    Args:
        gold: Gold label of each utterance, at least one.
        predicted: Predicted label of each utterance.
        labels: All C label names.

    Returns:
        (C, C) counts; rows are gold, columns predicted, both in the order of `labels`.

    Raises:
        ValueError: See score.
    """
    check_labels(gold, predicted, labels)
    return np.asarray(confusion_matrix(gold, predicted, labels=list(labels)), dtype=np.int64)


def check_labels(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> None:
    """Refuse what scikit-learn would pass over in silence, such as a label outside the list.

    Args:
        gold: Gold label of each utterance.
        predicted: Predicted label of each utterance.
        labels: All label names.

    Raises:
        ValueError: No utterances, unequal lengths, a name listed twice, or a label that is not listed.
    """
    if len(gold) == 0:
        raise ValueError("no utterances to score")
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold labels but {len(predicted)} predictions")
    if len(set(labels)) < len(labels):
        raise ValueError(f"a label is listed twice: {list(labels)}")
    unknown = sorted((set(gold) | set(predicted)) - set(labels))
    if unknown:
        raise ValueError(f"labels {unknown} are not among {list(labels)}")
