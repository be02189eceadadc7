"""The table of clips: what became of each utterance's audio."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import polars as pl

from erc_core.store.tables import read_parquet, write_parquet


class ClipStatus(StrEnum):
    """The outcome of decoding one clip. Whatever it is, the utterance keeps its text."""

    OK = "ok"
    CUT_OFF = "cut_off"
    DAMAGED = "damaged"
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
        return self in (ClipStatus.OK, ClipStatus.CUT_OFF, ClipStatus.DAMAGED, ClipStatus.TOO_LONG)

    @property
    def action(self) -> str:
        """What is done about it, for the report."""
        used = {
            ClipStatus.OK: "used",
            ClipStatus.CUT_OFF: "used as far as it goes",
            ClipStatus.DAMAGED: "used without what cannot be decoded",
            ClipStatus.TOO_LONG: "cut to audio.max_seconds",
        }
        return used.get(self, "text only")


SCHEMA = pl.Schema(
    [
        ("utterance_id", pl.String()),
        ("status", pl.Enum([status.value for status in ClipStatus])),
        ("seconds", pl.Float64()),  # length of the clip as it came, 0 if unknown
        ("detail", pl.String()),  # the reason in words; empty for an ordinary clip
    ]
)

CLIPS_FILE = "clips.parquet"


def write_clips(rows: Sequence[tuple[str, str, float, str]], folder: Path) -> pl.DataFrame:
    """Write folder/clips.parquet, and return it; rows are utterance_id, status, seconds, detail."""
    clips = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    write_parquet(clips, folder / CLIPS_FILE)
    return clips


def read_clips(folder: Path) -> pl.DataFrame:
    """Read folder/clips.parquet."""
    return read_parquet(folder / CLIPS_FILE, "resample", SCHEMA)


def count_statuses(clips: pl.DataFrame) -> dict[str, int]:
    """Return how many clips have each status, for every status there is."""
    counts = dict(clips.group_by("status").len().rows())
    return {status.value: counts.get(status.value, 0) for status in ClipStatus}
