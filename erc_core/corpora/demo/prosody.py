"""How it is said: four ways of speaking, as departures from a speaker's own voice.

A way of speaking gives the mean and the spread of four quantities. Each utterance draws its own, so the ways overlap a
little, and all of them are relative to the speaker: one person's high pitch is another's low.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Prosody = Literal["even", "lively", "deadpan", "trembling"]
PROSODIES: tuple[Prosody, ...] = get_args(Prosody)


@dataclass(frozen=True)
class Speaker:
    """A person of the corpus, and the voice when nothing moves them.

    Attributes:
        name: As in the annotation.
        voice: Name of an eSpeak NG voice variant.
        rate: Words a minute.
        pitch: eSpeak's pitch, 0 to 99; 50 is the voice's own.
    """

    name: str
    voice: str
    rate: float
    pitch: float


@dataclass(frozen=True)
class Manner:
    """What eSpeak NG is told for one utterance.

    Attributes:
        rate: Words a minute, 80 to 450.
        pitch: 0 to 99.
        pitch_range: 0, a monotone, to 99.
        volume: Percent of eSpeak's normal amplitude.
    """

    rate: int
    pitch: int
    pitch_range: int
    volume: int


@dataclass(frozen=True)
class Spread:
    """A normal distribution, by mean and standard deviation."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class Style:
    """One way of speaking.

    Attributes:
        rate: Factor on the speaker's rate.
        pitch: Added to the speaker's pitch.
        pitch_range: As in Manner.
        volume: As in Manner.
    """

    rate: Spread
    pitch: Spread
    pitch_range: Spread
    volume: Spread


STYLES: dict[Prosody, Style] = {
    "even": Style(rate=Spread(1.0, 0.05), pitch=Spread(0, 5), pitch_range=Spread(45, 8), volume=Spread(62, 6)),
    "lively": Style(rate=Spread(1.25, 0.06), pitch=Spread(20, 6), pitch_range=Spread(80, 9), volume=Spread(115, 8)),
    "deadpan": Style(rate=Spread(0.78, 0.05), pitch=Spread(-20, 5), pitch_range=Spread(10, 5), volume=Spread(36, 4)),
    "trembling": Style(rate=Spread(1.15, 0.06), pitch=Spread(24, 6), pitch_range=Spread(12, 5), volume=Spread(20, 2)),
}


def draw_manner(prosody: Prosody, speaker: Speaker, rng: np.random.Generator) -> Manner:
    """Draw how one utterance is spoken.

    Args:
        prosody: The way of speaking.
        speaker: Who speaks.
        rng: Source of the four draws.

    Returns:
        The four quantities, each within what eSpeak NG takes.
    """
    style = STYLES[prosody]
    return Manner(
        rate=_within(speaker.rate * _draw(style.rate, rng), 80, 450),
        pitch=_within(speaker.pitch + _draw(style.pitch, rng), 0, 99),
        pitch_range=_within(_draw(style.pitch_range, rng), 0, 99),
        volume=_within(_draw(style.volume, rng), 10, 140),
    )


def _draw(spread: Spread, rng: np.random.Generator) -> float:
    return float(rng.normal(spread.mean, spread.deviation))


def _within(value: float, low: int, high: int) -> int:
    return min(max(round(value), low), high)
