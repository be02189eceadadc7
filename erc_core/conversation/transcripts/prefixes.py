"""Speakers that a tool wrote into the text, as formats without a place for them have to."""

import re
from collections.abc import Iterable

from erc_core.conversation.transcripts.segments import Segment

# WhisperX: `[SPEAKER_00]: Hello` in subtitles, `[[SPEAKER_00]]Hello` in labels for Audacity
_MARKED = re.compile(r"\s*(?:\[\[([^\[\]\n]{1,80})\]\]|\[([^\[\]\n]{1,80})\]:)\s*")
_NAMED = re.compile(r"\s*([^\W\d_][^:：\n\[\]<>?!,;]{0,39})(?::(?=\s|$)|：)\s*")


def split_prefixes(segments: Iterable[Segment]) -> list[Segment]:
    """Return the segments with speakers taken out of their texts.

    A bracketed one is always a speaker. `Anna: ` is one where at least two segments, and half of all, begin so: "Note: ..."
    may stand in any text.
    """
    marked = [_take(segment, _MARKED) for segment in segments]
    named = [_take(segment, _NAMED) for segment in marked]
    count = sum(after is not before for before, after in zip(marked, named, strict=True))
    return named if count >= 2 and 2 * count >= len(marked) else marked


def _take(segment: Segment, prefix: re.Pattern[str]) -> Segment:
    found = prefix.match(segment.text) if segment.speaker is None else None
    if found is None:
        return segment
    name = next(filter(None, found.groups()))
    return segment._replace(speaker=name, text=segment.text[found.end() :])
