"""Decoded samples, and how their channels become one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from erc_core.store.clips import ClipStatus

CENTER = "FC"  # FFmpeg's name of the channel in front of the listener
# where FLAC (RFC 9639) and Vorbis have a centre, it is the third channel of what FFmpeg gives
USUAL_CENTER = {3: 2, 5: 2, 6: 2, 7: 2, 8: 2}


@dataclass(frozen=True)
class Sound:
    """Decoded samples: of a file down-mixed already, of a caller as they come."""

    samples: NDArray[np.float32]  # (n, channels), full scale 1
    sample_rate: int  # Hz
    seconds: float  # length of the whole clip, also where only its beginning was decoded
    status: ClipStatus = ClipStatus.OK  # CUT_OFF or DAMAGED where not all of the file could be decoded
    detail: str = ""  # what is lacking, in words


@dataclass(frozen=True)
class SoundStream:
    """A recording that is decoded while it is read, to one channel."""

    sample_rate: int  # Hz
    blocks: Iterator[NDArray[np.float32]]  # (n,) each, full scale 1; raises where no more can be decoded
    damage: list[tuple[float, float]] = field(default_factory=list)  # s; of what was read so far


def center_of(channels: int, names: Sequence[str] = ()) -> int | None:
    """Return which channel is the centre: by their names, where none has one by their number; None where there is none."""
    if set(names) <= {"NONE"}:
        return USUAL_CENTER.get(channels)
    return names.index(CENTER) if CENTER in names else None


def downmix(samples: NDArray[np.float32], how: str, center: int | None = None) -> NDArray[np.float32]:
    """Reduce (n, channels) to (n,).

    "center" takes the centre channel, which holds the speech of films and series, and the mean where the layout has none;
    "mean" always the mean; "first" always the first channel.
    """
    channels = samples.shape[1]
    if channels == 1 or how == "first":
        return samples[:, 0]
    if how == "center" and center is not None:
        return samples[:, center]
    if channels == 2:  # the same values as below, four times as fast
        return (samples[:, 0] + samples[:, 1]) / np.float32(2)
    return np.asarray(samples.mean(axis=1, dtype=np.float32))


def join(blocks: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return mono blocks (n,) as the samples of a Sound, (n, 1)."""
    joined = np.concatenate(blocks) if len(blocks) > 1 else blocks[0] if blocks else np.zeros(0, np.float32)
    return np.ascontiguousarray(joined)[:, None]
