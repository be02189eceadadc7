"""What a transcript is made of, and the table that it becomes."""

import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import polars as pl

from erc_core.conversation.transcripts.source import Source
from erc_core.corpora.text_repair import mend

SCHEMA = pl.Schema([("start", pl.Float64()), ("end", pl.Float64()), ("speaker", pl.String()), ("text", pl.String())])

_LONE_SURROGATES = re.compile("[\ud800-\udfff]")


class Segment(NamedTuple):
    """What one person says in one go."""

    start: float | None  # s; None where the file has no time
    end: float | None  # s
    speaker: str | None
    text: str


def as_table(segments: Iterable[Segment]) -> pl.DataFrame:
    """Return the segments as a table of SCHEMA, in their order, texts and names without control characters."""
    rows = [(start, end, clean(speaker or "") or None, clean(text)) for start, end, speaker, text in segments]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def in_time_order(segments: Iterable[Segment]) -> list[Segment]:
    """Return what was written speaker by speaker as a conversation; one without a start stays behind its neighbour."""
    timed, last = [], -math.inf
    for segment in segments:
        last = last if segment.start is None else segment.start
        timed.append((last, segment))
    return [segment for _, segment in sorted(timed, key=lambda pair: pair[0])]


def clean(text: str) -> str:
    """Return a text on one line, without white space around it and without what UTF-8 cannot hold."""
    return _LONE_SURROGATES.sub("\ufffd", mend(text, strip=True).text)


def seconds(value: Any, source: Source, place: str, *, per_second: int = 1) -> float | None:
    """Return a time of a JSON file in seconds; None where there is none (absent, null, NaN, infinite).

    per_second: how many of the file's units a second has.

    Raises:
        ErcError: The value is no number.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise source.error(f"{quoted(value)} is no number; times are numbers, or null", place)
    value = float(value)
    return value / per_second if math.isfinite(value) else None


def quoted(value: Any) -> str:
    """Return a value for a message, cut to a length that can be read."""
    text = clean(str(value))
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
