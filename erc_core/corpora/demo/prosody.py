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
    "even": Style(rate=Spread(1.0, 0.08), pitch=Spread(0, 7), pitch_range=Spread(45, 12), volume=Spread(66, 11)),
    "lively": Style(rate=Spread(1.2, 0.10), pitch=Spread(20, 9), pitch_range=Spread(80, 14), volume=Spread(91, 11)),
    "deadpan": Style(rate=Spread(0.8, 0.07), pitch=Spread(-18, 8), pitch_range=Spread(11, 7), volume=Spread(58, 11)),
    "trembling": Style(rate=Spread(1.12, 0.1), pitch=Spread(22, 9), pitch_range=Spread(13, 8), volume=Spread(37, 8)),
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
        volume=_within(_draw(style.volume, rng), 15, 120),
    )


def _draw(spread: Spread, rng: np.random.Generator) -> float:
    return float(rng.normal(spread.mean, spread.deviation))


def _within(value: float, low: int, high: int) -> int:
    return min(max(round(value), low), high)
