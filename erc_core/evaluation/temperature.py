"""One temperature for a trained model: what its logits are divided by before they become probabilities.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, Eq. 9: p = softmax(z / T), with the T > 0 that has the
lowest negative log-likelihood (NLL) on the validation split. It orders the classes of an utterance as before, so that no
predicted label changes.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, FiniteFloat
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax

from erc_core.errors import ErcError
from erc_core.store.records import Record

# A validation split without an error asks for T = 0, and one that the model knows nothing of for an infinite T
LOWEST, HIGHEST = 0.05, 20.0
DECIMALS = 6  # of the numbers kept: equal on machines that differ in the last bits
LEAST_GAIN = 1e-9  # in NLL: where no T gains more, as of one class or of equal logits, T stays 1


class Calibration(Record):
    """The temperature of a trained model, and what it was fitted on."""

    temperature: FiniteFloat = Field(gt=0)
    nll_before: FiniteFloat  # mean negative log-likelihood of the split, nats, at T = 1
    nll_after: FiniteFloat  # likewise at the temperature; never higher
    n: int  # utterances of the split
    split: Literal["dev"]

    @property
    def at_an_end(self) -> bool:
        """Whether the best temperature lies outside the range that is searched, so that its nearer end was taken."""
        return self.temperature in (LOWEST, HIGHEST)


def fit_temperature(logits_NC: npt.NDArray[np.floating], gold_N: npt.NDArray[np.int64]) -> Calibration:
    """Fit the temperature on the (N, C) logits of the validation split and its N gold classes, in double precision.

    In b = 1 / T the NLL is convex, and its slope, the mean over utterances of sum_c p_c z_c - z_gold, rises: T is where
    the slope is 0, or the end of the range LOWEST to HIGHEST beyond which it would be.

    Raises:
        ErcError: A logit is not finite.
    """
    z_NC = logits_NC.astype(np.float64)
    not_finite = int((~np.isfinite(z_NC).all(axis=1)).sum())
    if not_finite:
        raise ErcError(
            f"the trained model's logits of {not_finite} utterances of the validation split are not finite: it has no "
            "probabilities; try a smaller train.lr, or train.grad_clip above 0"
        )
    gold_N1 = gold_N[:, None]

    def slope(log_temperature: float) -> float:
        p_NC = softmax(z_NC / np.exp(log_temperature), axis=1)
        return float(((p_NC * z_NC).sum(axis=1) - np.take_along_axis(z_NC, gold_N1, 1)[:, 0]).mean())

    low, high = np.log(LOWEST), np.log(HIGHEST)
    if slope(low) <= 0:
        temperature = LOWEST
    elif slope(high) >= 0:
        temperature = HIGHEST
    else:
        temperature = round(float(np.exp(brentq(slope, low, high, xtol=1e-12))), DECIMALS)
    before, after = (float(nlls(z_NC / divisor, gold_N).mean()) for divisor in (1.0, temperature))
    if before - after <= LEAST_GAIN:
        temperature, after = 1.0, before
    return Calibration(
        temperature=temperature,
        nll_before=round(before, DECIMALS),
        nll_after=round(after, DECIMALS),
        n=len(gold_N),
        split="dev",
    )


def nlls(logits_NC: npt.NDArray[np.float64], gold_N: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the negative log-likelihood, in nats, of each of N gold classes under the softmax of (N, C) logits."""
    log_p_NC: npt.NDArray[np.float64] = log_softmax(logits_NC, axis=1)
    return -log_p_NC[np.arange(len(gold_N)), gold_N]
