"""Labels of Audacity: start, end and text between tabs, a line for each."""

import re

from erc_core.conversation.transcripts.prefixes import split_prefixes
from erc_core.conversation.transcripts.segments import Segment, quoted
from erc_core.conversation.transcripts.source import Source

_NUMBER = r"(-?\d{1,15}(?:[.,]\d{1,12})?)"
_LABEL = re.compile(rf"{_NUMBER}\t{_NUMBER}(?:\t(.*))?", re.ASCII)
_FREQUENCIES = "\\"  # begins the line after a label that was made in a spectrogram


def is_audacity(source: Source) -> bool:
    """Whether the first line is a label."""
    first = next(line for line in source.lines if line.strip())
    return _LABEL.fullmatch(first) is not None


def read_audacity(source: Source) -> list[Segment]:
    """Return the labels. The speaker stands before the text, if at all.

    Raises:
        ErcError: A line is no label.
    """
    segments = []
    for number, line in enumerate(source.lines, start=1):
        if not line.strip() or line.startswith(_FREQUENCIES):
            continue
        found = _LABEL.fullmatch(line)
        if found is None:
            raise source.error(f"{quoted(line)} is no label; write start, end and text with tabs", f"line {number}")
        start, end = (float(time.replace(",", ".")) for time in found.groups()[:2])
        segments.append(Segment(start, end, None, found[3] or ""))
    return split_prefixes(segments)
