"""What scores are kept when the least certain answers are left to a person: the risk-coverage curve.

El-Yaniv & Wiener, "On the Foundations of Noise-free Selective Classification", JMLR 11, 2010; here with W-F1 and accuracy in place
of the risk. At a coverage of c percent, of n utterances the ceil(c n / 100) with the highest confidence are answered.

Shape suffixes: N utterances from the most confident, K coverages, C classes, D units, R resamples.
"""

import numpy as np
import numpy.typing as npt
from pydantic import FiniteFloat

from erc_core.evaluation.bootstrap import resample_units
from erc_core.evaluation.estimate import Estimate
from erc_core.evaluation.records import DECIMALS
from erc_core.evaluation.units import MIN_UNITS
from erc_core.params.training import EvaluateParams
from erc_core.store.records import Record

PERCENTS = tuple(range(100, 5, -5))  # coverages


class Kept(Record):
    """The answers of one coverage; scores are fractions."""

    coverage: int  # percent
    n: int
    least: FiniteFloat  # confidence of the least certain of them
    wf1: Estimate
    acc: Estimate


def coverage_curve(
    confidence_N: npt.NDArray[np.float64],
    gold_N: npt.NDArray[np.int64],
    predicted_N: npt.NDArray[np.int64],
    classes: int,
    unit_N: npt.NDArray[np.int64],
    params: EvaluateParams,
) -> list[Kept]:
    """Score the answers kept at each of PERCENTS; of equally confident ones, to DECIMALS, the earlier in the arrays comes first.

    `unit_N` numbers from 0 the unit that each utterance belongs to. A resample of units is ranked and cut as the whole
    split is; where a cut falls among the copies of one utterance, some of them are kept.
    """
    order = np.argsort(-confidence_N.round(DECIMALS), kind="stable")
    gold_N, predicted_N, unit_N = gold_N[order], predicted_N[order], unit_N[order]
    hit_N = gold_N == predicted_N

    def scores(times_N: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return W-F1 and accuracy at each coverage, (2 K,), of utterances that occur so many times."""
        reached_N = times_N.cumsum()
        wf1, acc = [], []
        for percent in PERCENTS:
            kept = _kept(percent, int(reached_N[-1]))
            last = int(np.searchsorted(reached_N, kept))
            weights = times_N[: last + 1].astype(np.float64)
            weights[-1] -= reached_N[last] - kept
            gold_C = np.bincount(gold_N[: last + 1], weights, classes)
            either_C = gold_C + np.bincount(predicted_N[: last + 1], weights, classes)
            hits_C = np.bincount(gold_N[: last + 1], weights * hit_N[: last + 1], classes)
            # F1 = 2 hits / (gold + predicted), as scores_from_confusion has it
            f1_C = np.divide(2 * hits_C, either_C, out=np.zeros(classes), where=either_C > 0)
            wf1.append(float(f1_C @ gold_C) / kept)
            acc.append(float(hits_C.sum()) / kept)
        return np.array(wf1 + acc)

    value_S = scores(np.ones(len(gold_N), np.int64))
    ends_S2 = np.full((len(value_S), 2), np.nan)
    n_units = int(unit_N.max()) + 1
    if n_units >= MIN_UNITS:
        drawn = resample_units(
            n_units,
            lambda times_RD: np.stack([scores(times_D[unit_N]) for times_D in times_RD], axis=-1),
            bytes_each=0,
            samples=params.bootstrap_samples,
            confidence=params.confidence,
            seed=params.seed,
        )
        ends_S2 = np.stack([drawn.low_S, drawn.high_S], axis=1)
    estimates = [Estimate.of(*numbers) for numbers in np.column_stack([value_S, ends_S2]).tolist()]
    counts = [_kept(percent, len(gold_N)) for percent in PERCENTS]
    return [
        Kept(coverage=percent, n=n, least=round(float(confidence_N[order[n - 1]]), DECIMALS), wf1=wf1, acc=acc)
        for percent, n, wf1, acc in zip(
            PERCENTS, counts, estimates[: len(PERCENTS)], estimates[len(PERCENTS) :], strict=True
        )
    ]


def _kept(percent: int, n: int) -> int:
    """Return ceil(percent n / 100), in whole numbers."""
    return -(-percent * n // 100)
