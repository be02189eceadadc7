"""What the page shows, ready for its templates."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Emotion:
    """An emotion in the legend."""

    place: int  # of its class e<place>
    name: str
    colour: str
    ink: str  # of text on the colour
    count: int


@dataclass(frozen=True)
class Bar:
    """One probability of an utterance."""

    place: int | None  # None: several emotions together
    name: str
    percent: str
    width: float  # %


@dataclass(frozen=True)
class Row:
    """An utterance in the transcript."""

    number: int
    clock: str | None
    stretch: str | None  # start and end, s, for the player
    source: int | None
    speaker: str | None
    speaker_place: int
    place: int | None  # of the emotion; None: no answer
    emotion: str
    text: str | None
    bars: list[Bar]
    is_unsure: bool
    tags: list[str]
    note: str


@dataclass(frozen=True)
class Mark:
    """An utterance in a lane."""

    number: int
    left: float  # %
    width: float  # %
    place: int | None
    name: str
    is_unsure: bool
    says: str  # when the pointer rests on it


@dataclass(frozen=True)
class Lane:
    """A speaker over time."""

    name: str
    marks: list[Mark]
    areas: list[tuple[int, str]]  # place of the emotion, path in a box of 1000 by 100
    summary: str


@dataclass(frozen=True)
class Timeline:
    """All lanes over one time line."""

    seconds: float
    ticks: list[tuple[float, str]]  # place in %, time
    lanes: list[Lane]
    smoothing: str  # how far the curves are smoothed, in words; "" where there are none


@dataclass(frozen=True)
class Content:
    """The page."""

    title: str
    model_name: str
    model: str  # the rest of a sentence that begins with its name
    fingerprint: str
    is_synthetic: bool
    facts: str
    emotions: list[Emotion]  # those that were answered, the most frequent first
    speakers: list[str]
    n_unsure: int
    unsure_means: str
    n_unanswered: int
    rows: list[Row]
    timeline: Timeline | None
    recording: str | None  # URL of the one recording, if it is played
    urls: list[str]  # of the clips; empty where there is one recording
    is_playable: bool
    sound_note: str  # why there is nothing to hear, in words
