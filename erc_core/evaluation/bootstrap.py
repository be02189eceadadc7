"""Percentile intervals of all scores, by resampling whole dialogues.

Utterances of one dialogue share speakers, topic and mood, so they are no independent draws: resampling single
utterances would give intervals that are too narrow. The unit of resampling is therefore the dialogue (a cluster
bootstrap; percentile interval of Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3).

A score needs no more of a dialogue than its confusion matrix, and the matrix of a resample is the sum over its
dialogues. That makes thousands of resamples one product of matrices: how often each dialogue was drawn, times the
counts of each.

Shape suffixes: D dialogues, C classes, R resamples; S scores are accuracy, weighted F1, macro F1, F1 of each class (3 +
C).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import bootstrap

from erc_core.evaluation.scores import check_labels
from erc_core.evaluation.units import MIN_UNITS

BATCH_BYTES = 64 * 2**20  # of the arrays of one batch of resamples
Counts = npt.NDArray[np.int64] | npt.NDArray[np.float64]  # whole numbers; sums of resamples come as floats


@dataclass(frozen=True)
class Interval:
    """A confidence interval of one score, fractions from 0 to 1."""

    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """Confidence intervals of all scores: None with fewer than MIN_UNITS units, of f1 also where a class is not in gold."""

    acc: Interval | None
    wf1: Interval | None
    macro_f1: Interval | None
    f1: dict[str, Interval | None]


def dialogue_confusions(
    dialogue_ids: Sequence[str], gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]
) -> npt.NDArray[np.int64]:
    """Count gold and predicted labels dialogue by dialogue: scores.confusion, split by the dialogue of each utterance.

    Returns (D, C, C) counts, dialogues in the order of their ids, so the order of the rows changes nothing. Raises
    ValueError for unequal lengths, no utterances, or a label that is not among `labels`.
    """
    check_labels(gold, predicted, labels)
    if len(dialogue_ids) != len(gold):
        raise ValueError(f"{len(dialogue_ids)} dialogue ids but {len(gold)} gold labels")
    index = {label: i for i, label in enumerate(labels)}
    names, dialogue = np.unique(np.asarray(dialogue_ids, dtype=object), return_inverse=True)
    counts_DCC = np.zeros((len(names), len(labels), len(labels)), dtype=np.int64)
    rows, columns = np.array([index[label] for label in gold]), np.array([index[label] for label in predicted])
    np.add.at(counts_DCC, (dialogue, rows, columns), 1)
    return counts_DCC


def scores_from_confusion(confusion_CC: Counts) -> npt.NDArray[np.float64]:
    """Compute (S, ...) scores from (..., C, C) counts, rows gold, columns predicted, none of the matrices all zero.

    For class c with hits h, gold count g and predicted count p, F1 = 2h / (g + p), the harmonic mean of h/p and h/g; 0
    where the class is in neither (zero_division=0 of scikit-learn, whose values these are). Macro F1 is over classes in
    gold.
    """
    hits_C = np.diagonal(confusion_CC, axis1=-2, axis2=-1)
    gold_C = confusion_CC.sum(axis=-1)
    either_C = gold_C + confusion_CC.sum(axis=-2)
    total = gold_C.sum(axis=-1)
    f1_C = np.divide(2.0 * hits_C, either_C, out=np.zeros(either_C.shape), where=either_C > 0)
    acc = hits_C.sum(axis=-1) / total
    wf1 = (f1_C * gold_C).sum(axis=-1) / total
    # F1 is 0 for a class without gold (no hits), so only the divisor has to leave it out
    macro_f1 = f1_C.sum(axis=-1) / (gold_C > 0).sum(axis=-1)
    return np.concatenate([np.stack([acc, wf1, macro_f1]), np.moveaxis(f1_C, -1, 0)])


@dataclass(frozen=True)
class Resamples:
    """Values of S statistics over R resamples of the dialogues, and the ends of their percentile intervals."""

    values_SR: npt.NDArray[np.float64]
    low_S: npt.NDArray[np.float64]
    high_S: npt.NDArray[np.float64]


def resample_dialogues(
    confusions_DCC: Counts,
    statistics: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
    *,
    samples: int,
    confidence: float,
    seed: int,
) -> Resamples:
    """Resample dialogues with replacement and compute statistics of each of `samples` resamples.

    `confusions_DCC` are (D, ..., C, C) counts of at least two dialogues; what stands between, such as two systems, is
    resampled together. `statistics` turns the (R, ..., C, C) counts of R resamples, whole numbers as floats, into (S,
    R) values. Other sums over the utterances of a dialogue, (D, ...), are resampled in the same way; those that are not whole
    may differ in their last bits between machines. The same seed and number of dialogues give the same resamples.
    """
    n_dialogues = len(confusions_DCC)
    counts = confusions_DCC.reshape(n_dialogues, -1).astype(np.float64)

    def of_times(times_RD: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        # Float products run in BLAS, and sums of whole numbers are exact in any order: no result depends on the batch
        summed = times_RD.astype(np.float64) @ counts
        return statistics(summed.reshape(-1, *confusions_DCC.shape[1:]))

    # of one resample: the times as floats; counts and their parts while scored
    own_bytes = 8 * (n_dialogues + 4 * counts.shape[1])
    return resample_units(
        n_dialogues, of_times, bytes_each=own_bytes, samples=samples, confidence=confidence, seed=seed
    )


def resample_units(
    n_units: int,
    statistics: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float64]],
    *,
    bytes_each: int,
    samples: int,
    confidence: float,
    seed: int,
) -> Resamples:
    """Resample units with replacement and compute statistics of each of `samples` resamples.

    `statistics` turns how often each unit was drawn in R resamples, (R, D), into (S, R) values, and takes `bytes_each`
    of memory for a resample. The same seed and number of units give the same resamples. Memory grows with `samples` by
    S values each, not by the units.
    """

    def of_drawn(drawn_RD: npt.NDArray[np.int64], axis: int = -1) -> npt.NDArray[np.float64]:
        # scipy hands over indices of units and names the axis that holds them: the last
        offset_R1 = n_units * np.arange(len(drawn_RD))[:, None]
        return statistics(np.bincount((drawn_RD + offset_R1).ravel(), minlength=drawn_RD.size).reshape(drawn_RD.shape))

    # of one resample: draws, draws with offset, times
    resample_bytes = 8 * 3 * n_units + bytes_each
    result = bootstrap(
        (np.arange(n_units),),
        of_drawn,
        n_resamples=samples,
        batch=max(1, BATCH_BYTES // resample_bytes),
        vectorized=True,
        axis=-1,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    ends = result.confidence_interval
    return Resamples(values_SR=result.bootstrap_distribution, low_S=ends.low, high_S=ends.high)


def bootstrap_intervals(
    confusions_DCC: npt.NDArray[np.int64], labels: Sequence[str], samples: int, confidence: float, seed: int
) -> Intervals:
    """Compute percentile intervals from the (D, C, C) counts of dialogues; all None with fewer than MIN_UNITS.

    Every resample is scored as the whole sample is: its macro F1 runs over the classes that its own gold holds, and a
    class that it lacks altogether has F1 0. The lower end for a class that occurs in one, two or three dialogues is
    therefore 0 or near it: so few dialogues say little. The same seed gives the same intervals.
    """
    if len(confusions_DCC) < MIN_UNITS:
        return Intervals(acc=None, wf1=None, macro_f1=None, f1=dict.fromkeys(labels))
    resamples = resample_dialogues(
        confusions_DCC, scores_from_confusion, samples=samples, confidence=confidence, seed=seed
    )
    ends = zip(resamples.low_S, resamples.high_S, strict=True)
    acc, wf1, macro_f1, *f1 = [Interval(float(low), float(high)) for low, high in ends]
    by_class = zip(labels, f1, confusions_DCC.sum(axis=(0, 2)) > 0, strict=True)
    return Intervals(acc, wf1, macro_f1, {label: ends if in_gold else None for label, ends, in_gold in by_class})
