"""JSON of FunASR: what `AutoModel.generate` returns, with punctuation and speakers."""

import re
from typing import Any

from erc_core.conversation.transcripts.segments import Segment, seconds
from erc_core.conversation.transcripts.source import Source
from erc_core.conversation.transcripts.whisper import name_of, text_of

_TAGS = re.compile(r"<\|[^|<>]*\|>")  # SenseVoice's: language, emotion and events


def funasr_sentence(item: dict[str, Any], source: Source, place: str) -> Segment:
    """Return one of `sentence_info`: start and end in milliseconds, spk as a number."""
    start, end = (seconds(item.get(key), source, place, per_second=1000) for key in ("start", "end"))
    speaker = name_of(item.get("spk"), source, place)
    if speaker and isinstance(item["spk"], int):
        speaker = f"spk{speaker}"
    text = text_of(item.get("text", item.get("sentence")), source, place)
    return Segment(start, end, speaker, _TAGS.sub("", text))
