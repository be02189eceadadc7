"""Subtitles: SubRip (.srt) and WebVTT.

Read here, as pysubs2 puts comments, identifiers and broken cues of WebVTT into the text of the cue before, and its voices away.
"""

import html
import re
from collections.abc import Iterator

from erc_core.conversation.transcripts.prefixes import split_prefixes
from erc_core.conversation.transcripts.segments import Segment, quoted
from erc_core.conversation.transcripts.source import Source

_TIME = r"(?:(\d{1,12}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?", re.ASCII)
_MEANT_AS_TIMING = re.compile(r"\s*[-+]?(?:\d[^\s>]*\s*-->|\d+:[\d:.,]*\s*-*>)", re.ASCII)
_COMMENT = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s([^<>]*)>")  # <v Anna>, <v.loud Anna>
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}")
_ENTITY = re.compile(r"&(?:amp|lt|gt|nbsp|lrm|rlm|#\d{1,6}|#x[0-9a-fA-F]{1,5});")


def is_vtt(source: Source) -> bool:
    """Whether the file begins as WebVTT has to."""
    return re.match(r"\s*WEBVTT(?:\s|$)", source.text) is not None


def is_srt(source: Source) -> bool:
    """Whether the file has a line with the times of a cue."""
    return any("-->" in line and _TIMING.fullmatch(line) for line in source.lines)


def read_cues(source: Source) -> list[Segment]:
    """Return the cues of an .srt or .vtt; of a cue with several voices, each with the cue's times.

    Raises:
        ErcError: The times of a cue cannot be read.
    """
    vtt = is_vtt(source)
    lines = _without_comments(source.lines) if vtt else source.lines
    segments = [
        Segment(start, end, speaker, _plain(text, vtt=vtt))
        for start, end, cue in _cues(lines, source)
        for speaker, text in _voices(cue)
    ]
    return split_prefixes(segments)


def _without_comments(lines: list[str]) -> list[str]:
    """Return the lines of a WebVTT with comments and styles blank, so that numbers of lines stay."""
    kept, comment, blank = [], False, True
    for line in lines:
        comment = bool(line.strip()) and (comment or (blank and _COMMENT.match(line) is not None))
        blank = not line.strip()
        kept.append("" if comment else line)
    return kept


def _cues(lines: list[str], source: Source) -> Iterator[tuple[float, float, str]]:
    """Yield start, end and text of each cue: its text goes on to the next one's identifier, over blank lines too.

    What stands before the first cue, such as the header of a WebVTT, is of none.
    """
    timings = [(number, found) for number, line in enumerate(lines) if (found := _timing(line, number, source))]
    followers = [*(number for number, _ in timings[1:]), len(lines)]
    for (number, found), following in zip(timings, followers, strict=False):
        end = following - (following < len(lines) and _has_identifier(lines, number, following))
        groups = found.groups()
        yield _seconds(*groups[:4]), _seconds(*groups[4:]), "\n".join(lines[number + 1 : end])


def _timing(line: str, number: int, source: Source) -> re.Match[str] | None:
    found = _TIMING.fullmatch(line) if "-->" in line else None
    if not found and _MEANT_AS_TIMING.match(line):
        problem = f"{quoted(line)} are no times of a cue; write them as 00:01:02.345 --> 00:01:04.000"
        raise source.error(problem, f"line {number + 1}")
    return found


def _has_identifier(lines: list[str], timing: int, following: int) -> bool:
    """Whether the line before the times is an identifier: a number, or what stands alone after a blank line."""
    before = following - 1
    if before <= timing:
        return False
    return lines[before].strip().isdecimal() or not lines[before - 1].strip()


def _seconds(hours: str | None, minutes: str, secs: str, fraction: str | None) -> float:
    milliseconds = int((fraction or "0").ljust(3, "0"))
    return ((int(hours or 0) * 60 + int(minutes)) * 60_000 + int(secs) * 1000 + milliseconds) / 1000


def _voices(cue: str) -> list[tuple[str | None, str]]:
    before, *tagged = _VOICE.split(cue)
    voices: list[tuple[str | None, str]] = [(None, before), *zip(tagged[::2], tagged[1::2], strict=True)]
    return [(speaker, text) for speaker, text in voices if _TAG.sub("", text).strip()] or voices[-1:]


def _plain(text: str, *, vtt: bool) -> str:
    text = _TAG.sub("", text)
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), text) if vtt else text
