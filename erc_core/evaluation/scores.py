"""Scores of one set of predictions, by scikit-learn, with label names everywhere.

Gold and predicted labels come utterance by utterance; `labels` names all C classes. Undefined values are 0
(zero_division=0).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support


@dataclass(frozen=True)
class Scores:
    """Scores over all n utterances of a split, fractions from 0 to 1.

    Weighted F1 (W-F1), the field's headline score, weights each class by its support. Macro F1 is the unweighted mean
    over the classes that occur in gold: a class without gold utterances has no recall, and counting its F1 as zero
    would lower the mean for a reason that is not the model's.
    """

    acc: float
    wf1: float
    macro_f1: float
    n: int


def score(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> Scores:
    """Score predictions against gold labels; ValueError as check_labels raises it."""
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
    """Score each class by itself: C rows in the order of `labels` with emotion, precision, recall, f1 and support.

    A class that does not occur has support 0. ValueError as for score.
    """
    check_labels(gold, predicted, labels)
    precision, recall, f1, support = precision_recall_fscore_support(
        gold, predicted, labels=list(labels), average=None, zero_division=0
    )
    return pl.DataFrame(
        {"emotion": list(labels), "precision": precision, "recall": recall, "f1": f1, "support": support},
        schema_overrides={"support": pl.Int64},
    )


def confusion(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return (C, C) counts, rows gold, columns predicted, in the order of `labels`; ValueError as for score."""
    check_labels(gold, predicted, labels)
    return np.asarray(confusion_matrix(gold, predicted, labels=list(labels)), dtype=np.int64)


def check_labels(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> None:
    """Refuse what scikit-learn would pass over in silence.

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
