"""Speech as it is cached: 16-bit samples, mono."""

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 32768.0


def to_float(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return cached samples as float32, full scale 1."""
    return samples.astype(np.float32) / np.float32(FULL_SCALE)
