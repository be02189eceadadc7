"""How it is said: four ways of speaking, as departures from a speaker's own voice.

A way of speaking gives the mean and the spread of four quantities. Each utterance draws its own, so the ways overlap a
little, and all of them are relative to the speaker: one person's high pitch is another's low.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Prosody = Literal["even", "lively", "deadpan", "trembling"]
PROSODIES: tuple[Prosody, ...] = get_args(Prosody)

Normal = tuple[float, float]  # mean and standard deviation


@dataclass(frozen=True)
class Speaker:
    """A person of the corpus, and the voice when nothing moves them."""

    name: str  # as in the annotation
    voice: str  # an eSpeak NG voice variant
    rate: float  # words a minute
    pitch: float  # eSpeak's, 0 to 99; 50 is the voice's own


@dataclass(frozen=True)
class Manner:
    """What eSpeak NG gets for one utterance."""

    rate: int  # words a minute, 80 to 450
    pitch: int  # 0 to 99
    pitch_range: int  # 0, a monotone, to 99
    volume: int  # percent of eSpeak's normal amplitude


# factor on the speaker's rate; what is added to the speaker's pitch; pitch range and volume as in Manner
STYLES: dict[Prosody, tuple[Normal, Normal, Normal, Normal]] = {
    "even": ((1.0, 0.05), (0, 5), (45, 8), (62, 6)),
    "lively": ((1.25, 0.06), (20, 6), (80, 9), (115, 8)),
    "deadpan": ((0.78, 0.05), (-20, 5), (10, 5), (36, 4)),
    "trembling": ((1.15, 0.06), (24, 6), (12, 5), (20, 2)),
}


def draw_manner(prosody: Prosody, speaker: Speaker, rng: np.random.Generator) -> Manner:
    """Draw how one utterance is spoken: the four quantities, each within what eSpeak NG takes."""
    rate, pitch, pitch_range, volume = (float(rng.normal(*normal)) for normal in STYLES[prosody])
    return Manner(
        rate=_within(speaker.rate * rate, 80, 450),
        pitch=_within(speaker.pitch + pitch, 0, 99),
        pitch_range=_within(pitch_range, 0, 99),
        volume=_within(volume, 10, 140),
    )


def _within(value: float, low: int, high: int) -> int:
    return min(max(round(value), low), high)
