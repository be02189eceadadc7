"""What the numbers of a study can carry: spread over seeds, paired tests, correction for many comparisons.

Two systems are compared in two ways, which answer different questions. A t test over seeds asks whether the gap would
come back if both were trained again; it takes the test split as given. A bootstrap over test dialogues asks whether
the gap would come back on other dialogues; it takes the trained models as given. A gap worth a claim stands both.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t, ttest_rel
from statsmodels.stats.multitest import multipletests

from erc_core.evaluation.bootstrap import Counts, dialogue_confusions, resample_dialogues, scores_from_confusion
from erc_core.evaluation.units import MIN_UNITS

SCORES = ("acc", "wf1", "macro_f1")
# Scores closer than this are equal: what remains is the rounding of sums and quotients
TIE = 1e-12


@dataclass(frozen=True)
class SeedSummary:
    """A score over the seeds of one system, fractions from 0 to 1."""

    mean: float  # mean over the seeds
    sd: float | None  # sample standard deviation (divisor n - 1); None with one seed
    # lower end of Student's t interval of the mean; None with one seed. The interval is not cut at 0 and 1.
    low: float | None
    high: float | None  # upper end; None with one seed
    n: int  # number of seeds


@dataclass(frozen=True)
class PairedDifference:
    """A score of system a minus that of system b on the same utterances."""

    difference: float  # on the whole test split, from -1 to 1
    low: float | None  # lower end of the percentile interval; None with fewer than MIN_UNITS dialogues
    high: float | None  # upper end; None likewise
    p: float | None  # two-sided p value of no difference; None likewise


def seed_summary(values: Sequence[float], confidence: float) -> SeedSummary:
    """Summarise one score over seeds, at least one, with Student's t interval of its mean: mean ± t_{n-1} sd / sqrt(n)."""
    n = len(values)
    if n == 0:
        raise ValueError("a summary over seeds needs the score of at least one seed")
    mean = float(np.mean(values))
    if n == 1:
        return SeedSummary(mean=mean, sd=None, low=None, high=None, n=1)
    sd = float(np.std(values, ddof=1))
    margin = float(t.ppf((1 + confidence) / 2, df=n - 1)) * sd / math.sqrt(n)
    return SeedSummary(mean=mean, sd=sd, low=mean - margin, high=mean + margin, n=n)


def paired_t(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Return the two-sided p value of Student's paired t test over seeds, in the same order for both systems.

    It is 1 where every pair is equal, and None with fewer than two pairs, and where all pairs differ by the same
    amount: t would be infinite and p 0, but what such pairs show is that the score moves in coarse steps on this split,
    not that the difference has no spread.

    Raises:
        ValueError: Unequal numbers of seeds.
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} seeds cannot be paired")
    if len(a) < 2:
        return None
    differences = np.subtract(a, b)
    if np.ptp(differences) <= TIE:
        return 1.0 if np.abs(differences).max() <= TIE else None
    return float(ttest_rel(a, b).pvalue)


def paired_dialogue_bootstrap(
    dialogue_ids: Sequence[str],
    gold: Sequence[str],
    probabilities_a: npt.NDArray[np.floating],
    probabilities_b: npt.NDArray[np.floating],
    labels: Sequence[str],
    *,
    samples: int,
    confidence: float,
    seed: int,
) -> dict[str, PairedDifference]:
    """Compare two systems on the same utterances by resampling whole test dialogues, the same ones for both.

    The p value inverts the percentile interval (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, section
    15.4): it is the smallest 1 - confidence at which the interval leaves out 0, so that p and interval agree. With k
    of R resamples at or beyond 0 on the rarer side, p = min(1, 2 (k + 1) / (R + 1)), which is never 0 (Davison &
    Hinkley, "Bootstrap Methods and their Application", 1997, section 4.2). A resample without any difference counts on
    both sides, so that equal systems have p = 1.

    Percentile intervals are too narrow where dialogues are few, and p too small with them: of made-up pairs of equal
    skill, 5% should have p <= 0.05, and 11 to 13% had with 8 dialogues, 7 to 9% with 15, 6 to 7% with 31 (a session of
    IEMOCAP), 5 to 6% with 80, 4% with 280 (the test split of MELD; within chance of 5%).

    Args:
        dialogue_ids: Dialogue, or other unit to resample, of each of n utterances.
        gold: Gold label of each utterance.
        probabilities_a: (n, C) probabilities of system a, averaged over its seeds; the largest is the prediction.
        probabilities_b: (n, C) likewise of system b.
        labels: The C label names, in the order of the columns.
        samples: Number of resamples R.
        confidence: Of the intervals, such as 0.95.
        seed: Of the resamples: the same seed gives the same result, whatever the order of the utterances.

    Returns:
        The differences a minus b by score (acc, wf1, macro_f1), with intervals and p values unless there are fewer than
        MIN_UNITS dialogues.

    Raises:
        ValueError: Unequal lengths, no utterances, an unknown label, probabilities of another shape or not finite.
    """
    confusions_D2CC = np.stack(
        [
            dialogue_confusions(dialogue_ids, gold, _predicted(probabilities, len(gold), labels), labels)
            for probabilities in (probabilities_a, probabilities_b)
        ],
        axis=1,
    )
    observed_S = _differences(confusions_D2CC.sum(axis=0))
    if len(confusions_D2CC) < MIN_UNITS:
        return {name: PairedDifference(float(x), None, None, None) for name, x in zip(SCORES, observed_S, strict=True)}
    resamples = resample_dialogues(confusions_D2CC, _differences, samples=samples, confidence=confidence, seed=seed)
    not_above_S = (resamples.values_SR <= TIE).sum(axis=1)
    not_below_S = (resamples.values_SR >= -TIE).sum(axis=1)
    p_S = np.minimum(1.0, 2 * (np.minimum(not_above_S, not_below_S) + 1) / (samples + 1))
    numbers_SN = np.stack([observed_S, resamples.low_S, resamples.high_S, p_S], axis=1).tolist()
    return {name: PairedDifference(*numbers) for name, numbers in zip(SCORES, numbers_SN, strict=True)}


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust the p values of one family of comparisons so that the chance of any false claim is bounded.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979. It
    holds however the comparisons depend on each other, which those with one reference system do. None is no comparison,
    and stays None.

    Raises:
        ValueError: A p value that is not from 0 to 1.
    """
    tested = [p for p in p_values if p is not None]
    if not all(0 <= p <= 1 for p in tested):
        raise ValueError(f"p values are from 0 to 1, but these were given: {tested}")
    if not tested:
        return [None] * len(p_values)
    adjusted = iter(multipletests(tested, method="holm")[1])
    return [None if p is None else float(next(adjusted)) for p in p_values]


def _predicted(probabilities: npt.NDArray[np.floating], n: int, labels: Sequence[str]) -> list[str]:
    """Return the label of the largest probability of each utterance."""
    if probabilities.shape != (n, len(labels)):
        raise ValueError(f"probabilities have the shape {probabilities.shape}, not {(n, len(labels))}")
    if not np.isfinite(probabilities).all():
        raise ValueError("probabilities are not all finite")
    return [labels[i] for i in probabilities.argmax(axis=1)]


def _differences(confusion_2CC: Counts) -> npt.NDArray[np.float64]:
    """Return accuracy, weighted F1 and macro F1 of system a minus system b, (3, ...), from (..., 2, C, C) counts."""
    scores_S2 = scores_from_confusion(confusion_2CC)[: len(SCORES)]
    differences: npt.NDArray[np.float64] = scores_S2[..., 0] - scores_S2[..., 1]
    return differences
