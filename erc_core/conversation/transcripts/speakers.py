"""Who speaks when, from a file of a diarisation tool, and joined with a transcript that does not know it."""

import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from erc_core.conversation.transcripts.json_file import is_json, load_json
from erc_core.conversation.transcripts.segments import clean, quoted, seconds
from erc_core.conversation.transcripts.source import Source, read_source
from erc_core.conversation.transcripts.whisper import name_of

SCHEMA = pl.Schema([("start", pl.Float64()), ("end", pl.Float64()), ("speaker", pl.String())])
READ = "RTTM, JSON of pyannote"
SAME_SECONDS = 1e-6  # overlaps that differ by less are equal: times are sums of decimal fractions

_RTTM_LINE = re.compile(
    r"\s*(?:;;|(?:SPEAKER|SPKR-INFO|SEGMENT|LEXEME|NON-LEX|NON-SPEECH|NOSCORE|A/P|IP|CB|SU|FILLER|EDIT)\s)"
)


class Turn(NamedTuple):
    """A stretch of one speaker."""

    start: float  # s
    end: float  # s
    speaker: str


def is_rttm(source: Source) -> bool:
    """Whether the first line that is not blank is one of RTTM."""
    return _RTTM_LINE.match(next(line for line in source.lines if line.strip())) is not None


def read_speakers(path: Path) -> pl.DataFrame:
    """Return who speaks when: start, end (seconds) and speaker, in the order of the file.

    Of RTTM, the SPEAKER lines; of pyannote's JSON, exclusive_diarization, which is made for transcripts, or else diarization.

    Raises:
        ErcError: The file cannot be read, is damaged, names several recordings, or is of neither format.
    """
    source = read_source(path)
    if is_rttm(source):
        turns = _read_rttm(source)
    elif is_json(source) or path.suffix.lower() == ".json":
        turns = _read_pyannote(source)
    else:
        raise source.error(f"no file of speakers that is read here. Read are: {READ}")
    rows = [(turn.start, turn.end, clean(turn.speaker)) for turn in turns]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def assign_speakers(segments: pl.DataFrame, turns: pl.DataFrame) -> pl.DataFrame:
    """Return segments in which each one without a speaker has the one of the turns who speaks longest during it.

    Of two who speak equally long, the one whose turn begins earlier. Null where nobody does. O(S N log M) for S speakers, N
    segments and M turns.

    Args:
        segments: Of `read_transcript`.
        turns: Of `read_speakers`.
    """
    start, end = (segments[name].fill_null(math.nan).to_numpy() for name in ("start", "end"))
    longest = np.full(len(segments), SAME_SECONDS)
    began = np.full(len(segments), math.inf)
    chosen = np.full(len(segments), -1)
    names = turns["speaker"].unique(maintain_order=True).to_list()
    for index, name in enumerate(names):
        spoken, begins = _during(turns.filter(pl.col("speaker") == name), start, end)
        tied = (np.abs(spoken - longest) <= SAME_SECONDS) & (begins < began) & (spoken > SAME_SECONDS)
        better = (spoken > longest + SAME_SECONDS) | tied
        longest[better], began[better], chosen[better] = spoken[better], begins[better], index
    heard = pl.Series("speaker", [names[k] if k >= 0 else None for k in chosen.tolist()], dtype=pl.String)
    return segments.with_columns(speaker=pl.coalesce("speaker", heard))


Seconds = NDArray[np.float64]


def _during(turns: pl.DataFrame, start: Seconds, end: Seconds) -> tuple[Seconds, Seconds]:
    """Return how long one speaker's turns last within each segment, and when the first of them that does begins.

    start, end (N,) of the segments, in seconds.
    """
    pieces: list[list[float]] = []  # the turns, those that touch made one
    for begins, ends in turns.select("start", "end").sort("start", "end").iter_rows():
        if pieces and begins <= pieces[-1][1]:
            pieces[-1][1] = max(pieces[-1][1], ends)
        else:
            pieces.append([begins, ends])
    starts, ends = np.array(pieces).T
    before = np.concatenate([[0.0], np.cumsum(ends - starts)])

    def spoken_until(time: Seconds) -> Seconds:
        piece = np.searchsorted(starts, time, side="right")
        last_end = np.concatenate([[-np.inf], ends])[piece]
        return before[piece] - np.maximum(last_end - time, 0.0)

    first = np.searchsorted(ends, start, side="right")
    return spoken_until(end) - spoken_until(start), np.append(starts, np.inf)[first]


def _read_rttm(source: Source) -> list[Turn]:
    turns, recordings = [], set()
    for number, line in enumerate(source.lines, start=1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue
        place = f"line {number}"
        if len(fields) < 8:
            raise source.error(f"{len(fields)} fields; a SPEAKER line of RTTM has ten, the eighth the speaker", place)
        try:
            start, lasts = float(fields[3]), float(fields[4])
        except ValueError:
            start = lasts = math.nan
        if not (math.isfinite(start + lasts) and lasts >= 0):
            problem = f"start {quoted(fields[3])} and duration {quoted(fields[4])} are no times in seconds"
            raise source.error(problem, place)
        recordings.add(fields[1])
        turns.append(Turn(start, start + lasts, fields[7]))
    if len(recordings) > 1:
        names = " and ".join(quoted(name) for name in sorted(recordings)[:2])
        raise source.error(f"has the speakers of {len(recordings)} recordings ({names}): keep the lines of one")
    return turns


def _read_pyannote(source: Source) -> list[Turn]:
    data = load_json(source)
    found = data if isinstance(data, dict) else {}
    key = next((key for key in ("exclusive_diarization", "diarization") if isinstance(found.get(key), list)), None)
    if key is None:
        raise source.error(f"JSON without a list of exclusive_diarization or diarization. Read are: {READ}")
    turns = []
    for number, item in enumerate(found[key], start=1):
        place = f"{key}, turn {number}"
        item = item if isinstance(item, dict) else {}
        start, end = (seconds(item.get(name), source, place) for name in ("start", "end"))
        speaker = name_of(item.get("speaker"), source, place)
        if start is None or end is None or speaker is None or end < start:
            raise source.error("wants start, end (in seconds, not before start) and speaker", place)
        turns.append(Turn(start, end, speaker))
    return turns
