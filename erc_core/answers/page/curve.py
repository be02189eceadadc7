"""The emotions of one speaker over time, as a stacked area: at each moment the mean of the probabilities around it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

POINTS = 161  # moments, from the beginning of the time line to its end
LEAST_AREA = 0.005  # an emotion that is nowhere more probable is not drawn
LEAST = 3  # answered utterances that make a curve
NARROWEST = 1 / 80  # of the whole time


def width_of(middles: NDArray[np.float64], seconds: float) -> float:
    """Return a standard deviation for smoothing, s: half the usual way from one utterance to the next, or more where that is little of the whole.

    Args:
        middles: (N,) s, of utterances.
        seconds: Length of the time line.
    """
    ways = np.diff(np.sort(middles))
    return max(float(np.median(ways)) / 2 if len(ways) else 0.0, seconds * NARROWEST, 1e-3)


def smoothed(
    middles: NDArray[np.float64], lengths: NDArray[np.float64], p_NC: NDArray[np.float64], seconds: float, width: float
) -> NDArray[np.float64]:
    """Return (POINTS, C), sums 1: a Gaussian kernel over the middles of N utterances, each weighted by its length.

    Args:
        middles: (N,) s, N >= 1.
        lengths: (N,) s.
        p_NC: Probabilities.
        seconds: Length of the time line.
        width: The kernel's standard deviation, s.
    """
    moments = np.linspace(0, seconds, POINTS)
    exponent = -(((moments[:, None] - middles[None, :]) / width) ** 2) / 2
    # the nearest utterance's exponent becomes 0, so that a moment far from all of them has a mean as well
    weights = np.exp(exponent - exponent.max(axis=1, keepdims=True)) * np.maximum(lengths, 1e-3)
    mean: NDArray[np.float64] = (weights / weights.sum(axis=1, keepdims=True)) @ p_NC
    return mean


def area_paths(mean_PC: NDArray[np.float64], order: Sequence[int]) -> list[tuple[int, str]]:
    """Return the label and SVG path of each area, from the bottom up, in a box of 1000 by 100.

    Args:
        mean_PC: Of smoothed.
        order: Labels to draw, the lowest first; what others have is left free at the top.
    """
    x = np.linspace(0, 1000, len(mean_PC))
    below = np.zeros(len(mean_PC))
    paths = []
    for label in order:
        above = below + mean_PC[:, label]
        if mean_PC[:, label].max() >= LEAST_AREA:
            edge = [*zip(x, 100 - 100 * above, strict=True), *zip(x[::-1], 100 - 100 * below[::-1], strict=True)]
            paths.append((label, "M" + "L".join(f"{at:.0f} {height:.1f}" for at, height in edge) + "Z"))
        below = above
    return paths
