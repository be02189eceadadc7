"""Praat's TextGrid, long and short.

Read as Praat does: of the whole text only strings, numbers that stand free and <flags> count, so that `xmin = 0.5` of the long
form is the 0.5 of the short one. praatio refuses intervals that overlap, loses the last of a file that was cut off, and takes
words of a label for the file's own.
"""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from erc_core.conversation.transcripts.segments import Segment, in_time_order, quoted
from erc_core.conversation.transcripts.source import Source

_TOKEN = re.compile(
    r'"(?P<string>(?:[^"]+|"")*+)"'  # a quotation mark within is written twice
    r'|(?P<open>")'
    r"|(?<!\S)(?P<number>[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)%?(?!\S)"
    r"|(?<!\S)<(?P<flag>\w+)>"
    r"|(?<!\S)![^\r\n]*",  # a comment
    re.ASCII,
)


def is_textgrid(source: Source) -> bool:
    """Whether the file begins as a TextGrid does."""
    return (
        re.match(r'\s*File type\s*=\s*"ooTextFile[^"]*"\s+(?:Object class\s*=\s*)?"TextGrid"', source.text) is not None
    )


def read_textgrid(source: Source) -> list[Segment]:
    """Return the intervals that have a text, in order of time; a tier is a speaker. Tiers of points are left out.

    Raises:
        ErcError: The file ends too early, or has something else than its format wants.
    """
    tokens = _Tokens(source)
    for _ in range(2):
        tokens.string("the file's type")
    segments: list[Segment] = []
    tokens.number("the start"), tokens.number("the end")
    if tokens.flag() == "absent":
        return segments
    for _ in range(tokens.count("the number of tiers")):
        kind, place = tokens.string("the class of a tier"), tokens.place
        if kind not in ("IntervalTier", "TextTier"):
            raise source.error(f"{quoted(kind)} is no class of a tier; save it again in Praat", place)
        speaker = tokens.string("the name of a tier")
        tokens.number("the tier's start"), tokens.number("the tier's end")
        for _ in range(tokens.count("the size of a tier")):
            if kind == "TextTier":
                tokens.number("a time"), tokens.string("a label")
                continue
            start, end = tokens.number("xmin of an interval"), tokens.number("xmax of an interval")
            text = tokens.string("the text of an interval")
            if text.strip():
                segments.append(Segment(start, end, speaker, text))
    return in_time_order(segments)


class _Token(NamedTuple):
    kind: str
    value: str
    position: int


class _Tokens:
    """The tokens of a file, one after the other, each asked for as what it has to be."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tokens = self._read()
        self._last = 0

    @property
    def place(self) -> str:
        return self._source.line_at(self._last)

    def _read(self) -> Iterator[_Token]:
        for found in _TOKEN.finditer(self._source.text):
            if kind := found.lastgroup:  # none of a comment
                yield _Token(kind, found[kind], found.start())

    def _next(self, kind: str, what: str) -> str:
        token = next(self._tokens, None)
        if token is None:
            problem = f"ends where {what} should be: it was cut off; save it again in Praat"
            raise self._source.error(problem, f"line {len(self._source.lines)}")
        self._last = token.position
        if token.kind == "open":
            problem = 'a quotation mark opens here and is never closed; within a label it is written twice ("")'
            raise self._source.error(problem, self.place)
        if token.kind != kind:
            problem = f"{quoted(token.value)} stands where {what} should be; save it again in Praat"
            raise self._source.error(problem, self.place)
        return token.value

    def string(self, what: str) -> str:
        return self._next("string", what).replace('""', '"')

    def flag(self) -> str:
        return self._next("flag", "<exists>")

    def number(self, what: str) -> float:
        value = float(self._next("number", what))
        if not math.isfinite(value):
            raise self._source.error(f"{what} is no number; save it again in Praat", self.place)
        return value

    def count(self, what: str) -> int:
        value = self.number(what)
        if value < 0 or not value.is_integer():
            raise self._source.error(f"{what} is {value:g}; save it again in Praat", self.place)
        return int(value)
