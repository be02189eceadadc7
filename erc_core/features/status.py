"""What became of a clip on its way to features."""

from enum import StrEnum


class ClipStatus(StrEnum):
    """The outcome of decoding one clip. Whatever it is, the utterance keeps its text."""

    OK = "ok"
    CUT_OFF = "cut_off"
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
        return self in (ClipStatus.OK, ClipStatus.CUT_OFF, ClipStatus.TOO_LONG)

    @property
    def action(self) -> str:
        """What is done about it, for the report."""
        used = {
            ClipStatus.OK: "used",
            ClipStatus.CUT_OFF: "used as far as it goes",
            ClipStatus.TOO_LONG: "cut to audio.max_seconds",
        }
        return used.get(self, "text only")
