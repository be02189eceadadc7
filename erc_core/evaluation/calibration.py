"""How far the probabilities of a test split can be believed, before and after the temperature: calibration.json.

The confidence of an answer is the probability of the predicted class. ECE, the expected calibration error of Guo et al.
(ICML 2017, Eq. 3), is sum_m |B_m| / n |acc(B_m) - conf(B_m)| over M = 15 bins of confidence, B_m those in ((m - 1) / M, m / M].
NLL is the mean of -ln p(gold), the Brier score the mean of sum_c (p_c - [c is gold])^2, from 0 to 2.

Intervals resample whole units, as those of the scores do. Those of NLL and Brier are percentile intervals. ECE sums absolute
values, so a resample's is higher than its sample's as a sample's is higher than the truth: its interval is the basic
one, 2 value - high to 2 value - low, cut at 0 (Davison & Hinkley, "Bootstrap Methods and their Application", 1997,
section 5.2). Of made-up splits with a true ECE of 7%, 60 units of 7 utterances, nominal 95% percentile intervals held the
truth in 63%, basic ones in 88%.

Shape suffixes: N utterances, C classes, M bins, D units, R resamples, V sums: the count, and of two temperatures NLL, Brier and
the gap of each bin.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import FiniteFloat
from scipy.special import softmax

from erc_core.evaluation.bootstrap import resample_dialogues
from erc_core.evaluation.coverage import Kept, coverage_curve
from erc_core.evaluation.estimate import Estimate
from erc_core.evaluation.records import DECIMALS, STAGE
from erc_core.evaluation.temperature import Calibration, nlls
from erc_core.evaluation.units import MIN_UNITS
from erc_core.params.training import EvaluateParams
from erc_core.store.records import Record

CALIBRATION_FILE = "calibration.json"
BINS = 15
Logits = npt.NDArray[np.floating]
Gold = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Bin(Record):
    """The answers whose confidence lies above `low` and not above `high`; means are None where there are none."""

    low: FiniteFloat
    high: FiniteFloat
    n: int
    confidence: FiniteFloat | None  # mean
    accuracy: FiniteFloat | None


class Measures(Record):
    """ECE, NLL and Brier score, or how much each is higher at one temperature than at another."""

    ece: Estimate
    nll: Estimate
    brier: Estimate


class Reliability(Record):
    """How the probabilities of one temperature fit what is true."""

    measures: Measures
    confidence: FiniteFloat  # mean
    chance_ece: FiniteFloat  # mean ECE of as many answers of these confidences, each right with its confidence's chance
    chance_ece_high: FiniteFloat  # above it lies the share 1 - evaluate.confidence of such ECEs
    bins: list[Bin]


class CalibrationReport(Record):
    """calibration.json: probabilities of the test split without the model's temperature, and with it."""

    fitted: Calibration
    n: int
    before: Reliability
    after: Reliability
    change: Measures  # after minus before, on the same resamples
    coverage: list[Kept]  # with the temperature, from all answers to the fewest

    def write(self, folder: Path) -> None:
        """Write folder/calibration.json."""
        self.write_json(folder / CALIBRATION_FILE)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read folder/calibration.json."""
        return cls.read_json(folder / CALIBRATION_FILE, STAGE)


def evaluate_calibration(
    logits_NC: Logits,
    gold_N: Gold,
    utterance_ids: Sequence[str],
    units: Sequence[str],
    fitted: Calibration,
    params: EvaluateParams,
) -> CalibrationReport:
    """Measure the probabilities of N test utterances, with the unit of each that intervals resample.

    Intervals have no ends with fewer than MIN_UNITS units. The order of the utterances changes nothing.
    """
    order = np.argsort(np.asarray(utterance_ids, dtype=object), kind="stable")
    z_NC, gold_N = logits_NC[order].astype(np.float64), gold_N[order]
    names, unit_N = np.unique(np.asarray(units, dtype=object)[order], return_inverse=True)
    scaled = (z_NC, z_NC / fitted.temperature)
    sums_NV = np.column_stack([np.ones(len(gold_N)), *(_sums(of_NC, gold_N) for of_NC in scaled)])
    sums_DV = np.zeros((len(names), sums_NV.shape[1]))
    np.add.at(sums_DV, unit_N, sums_NV)
    value_S = _measures(sums_DV.sum(axis=0))
    ends_S2 = np.full((len(value_S), 2), np.nan)
    if len(names) >= MIN_UNITS:
        drawn = resample_dialogues(
            sums_DV, _measures, samples=params.bootstrap_samples, confidence=params.confidence, seed=params.seed
        )
        ends_S2 = np.stack([drawn.low_S, drawn.high_S], axis=1)
        ends_S2[::3] = 2 * value_S[::3, None] - ends_S2[::3, ::-1]  # of every three the first is an ECE
        ends_S2[:6:3] = np.maximum(ends_S2[:6:3], 0.0)
    estimates = [Estimate.of(*numbers) for numbers in np.column_stack([value_S, ends_S2]).tolist()]
    before, after, change = (
        Measures(ece=estimates[i], nll=estimates[i + 1], brier=estimates[i + 2]) for i in (0, 3, 6)
    )
    confidences = [softmax(of_NC, axis=1).max(axis=1) for of_NC in scaled]
    predicted_N = z_NC.argmax(axis=1)
    right_N = predicted_N == gold_N
    return CalibrationReport(
        fitted=fitted,
        n=len(gold_N),
        before=_reliability(before, confidences[0], right_N, params),
        after=_reliability(after, confidences[1], right_N, params),
        change=change,
        coverage=coverage_curve(confidences[1], gold_N, predicted_N, z_NC.shape[1], unit_N, params),
    )


def ece(confidence_N: Floats, right_N: npt.NDArray[np.bool_]) -> float:
    """Return the expected calibration error of answers, as a fraction."""
    gap_M = np.bincount(bins_of(confidence_N), weights=right_N - confidence_N, minlength=BINS)
    return float(np.abs(gap_M).sum() / len(right_N))


def bins_of(confidence_N: Floats) -> npt.NDArray[np.int64]:
    """Return the bin of each confidence, from 0; an edge belongs to the bin below it."""
    inner = np.linspace(0, 1, BINS + 1)[1:-1]
    return np.digitize(confidence_N, inner, right=True).astype(np.int64)


def reliability_bins(confidence_N: Floats, right_N: npt.NDArray[np.bool_]) -> list[Bin]:
    """Return the BINS bins of answers, from the least confident."""
    bin_N, edges = bins_of(confidence_N), np.linspace(0, 1, BINS + 1)
    n_M, confidence_M, right_M = (
        np.bincount(bin_N, weights=weights, minlength=BINS) for weights in (None, confidence_N, right_N)
    )
    return [
        Bin(
            low=round(float(edges[m]), DECIMALS),
            high=round(float(edges[m + 1]), DECIMALS),
            n=int(n),
            confidence=round(float(confidence_M[m] / n), DECIMALS) if n else None,
            accuracy=round(float(right_M[m] / n), DECIMALS) if n else None,
        )
        for m, n in enumerate(n_M)
    ]


def chance_eces(confidence_N: Floats, samples: int, seed: int) -> Floats:
    """Return the ECEs of `samples` draws in which each answer, by itself, is right with the chance that its confidence says."""
    rng = np.random.default_rng(seed)
    draws = (ece(confidence_N, rng.random(len(confidence_N)) < confidence_N) for _ in range(samples))
    return np.fromiter(draws, np.float64, samples)


def _reliability(
    measures: Measures, confidence_N: Floats, right_N: npt.NDArray[np.bool_], params: EvaluateParams
) -> Reliability:
    by_chance = chance_eces(confidence_N, params.bootstrap_samples, params.seed)
    return Reliability(
        measures=measures,
        confidence=round(float(confidence_N.mean()), DECIMALS),
        chance_ece=round(float(by_chance.mean()), DECIMALS),
        chance_ece_high=round(float(np.quantile(by_chance, params.confidence)), DECIMALS),
        bins=reliability_bins(confidence_N, right_N),
    )


def _sums(z_NC: Floats, gold_N: Gold) -> Floats:
    """Return what each utterance adds to NLL, Brier and the gaps of the bins, (N, 2 + M)."""
    p_NC = softmax(z_NC, axis=1)
    confidence_N, rows = p_NC.max(axis=1), np.arange(len(gold_N))
    gap_NM = np.zeros((len(gold_N), BINS))
    gap_NM[rows, bins_of(confidence_N)] = (z_NC.argmax(axis=1) == gold_N) - confidence_N
    # sum over c of (p_c - y_c)^2, without a second (N, C) array
    brier_N = (p_NC**2).sum(axis=1) - 2 * p_NC[rows, gold_N] + 1
    return np.column_stack([nlls(z_NC, gold_N), brier_N, gap_NM])


def _measures(sums_V: Floats) -> Floats:
    """Return ECE, NLL and Brier before, after, and their change, (9, ...), from (..., V) sums."""
    mean_V = sums_V[..., 1:] / sums_V[..., :1]
    both = [
        np.stack([np.abs(half[..., 2:]).sum(axis=-1), half[..., 0], half[..., 1]])
        for half in np.split(mean_V, 2, axis=-1)
    ]
    return np.concatenate([*both, both[1] - both[0]])
