"""What became of a clip on its way to features."""

from enum import StrEnum


class ClipStatus(StrEnum):
    """The outcome of decoding one clip. Whatever it is, the utterance keeps its text."""

    OK = "ok"
    TOO_LONG = "too_long"
    MISSING = "missing"
    UNDECODABLE = "undecodable"
    EMPTY = "empty"
    TOO_SHORT = "too_short"
    NOT_FINITE = "not_finite"
    SILENT = "silent"

    @property
    def has_audio(self) -> bool:
        """Whether the clip gives speech to the model."""
        return self in (ClipStatus.OK, ClipStatus.TOO_LONG)

    @property
    def action(self) -> str:
        """What is done about it, for the report."""
        if self is ClipStatus.OK:
            return "used"
        return "cut to audio.max_seconds" if self is ClipStatus.TOO_LONG else "text only"
