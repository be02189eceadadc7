"""JSON of Whisper and what is built on it: WhisperX, faster-whisper, whisper.cpp, Transformers."""

from collections import defaultdict
from typing import Any

from erc_core.conversation.transcripts.segments import Segment, quoted, seconds
from erc_core.conversation.transcripts.source import Source


def whisper_segment(item: dict[str, Any], source: Source, place: str) -> Segment:
    """Return one of `segments`: start, end, text, and from WhisperX speaker and words.

    A segment without a speaker takes the one who speaks the largest part of its words.
    """
    words = item.get("words")
    words = [word for word in words if isinstance(word, dict)] if isinstance(words, list) else []
    speaker = name_of(item.get("speaker"), source, place) or _speaker_of(words, source, place)
    text = item.get("text")
    if text is None:
        text = " ".join(str(word.get("word", "")).strip() for word in words)
    start, end = (seconds(item.get(key), source, place) for key in ("start", "end"))
    return Segment(start, end, speaker, text_of(text, source, place))


def whisper_cpp_segment(item: dict[str, Any], source: Source, place: str) -> Segment:
    """Return one of whisper.cpp's `transcription`: offsets in milliseconds, and a speaker where it was asked for them."""
    offsets = item.get("offsets")
    offsets = offsets if isinstance(offsets, dict) else {}
    start, end = (seconds(offsets.get(key), source, place, per_second=1000) for key in ("from", "to"))
    speaker = name_of(item.get("speaker"), source, place)
    return Segment(start, end, speaker, text_of(item.get("text"), source, place))


def transformers_chunk(item: dict[str, Any], source: Source, place: str) -> Segment:
    """Return one of `chunks` (or `speakers`, of insanely-fast-whisper): its timestamp is [start, end]."""
    times = item.get("timestamp")
    start, end = times if isinstance(times, list) and len(times) == 2 else (None, None)
    speaker = name_of(item.get("speaker"), source, place)
    times_s = seconds(start, source, place), seconds(end, source, place)
    return Segment(*times_s, speaker, text_of(item.get("text"), source, place))


def text_of(value: Any, source: Source, place: str) -> str:
    """Return a text; ErcError where the value is something else."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise source.error(f"text is {quoted(value)}, no string", place)
    return value


def name_of(value: Any, source: Source, place: str) -> str | None:
    """Return a speaker's name, whether it is given as a name, as a number or as {"id": ...}; None where there is none."""
    if isinstance(value, dict):
        value = value.get("id")
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise source.error(f"speaker is {quoted(value)}, no name", place)


def _speaker_of(words: list[dict[str, Any]], source: Source, place: str) -> str | None:
    shares: dict[str, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    for word in words:
        if speaker := name_of(word.get("speaker"), source, place):
            start, end = (seconds(word.get(key), source, place) for key in ("start", "end"))
            spoken, count = shares[speaker]
            lasts = max(end - start, 0.0) if start is not None and end is not None else 0.0
            shares[speaker] = spoken + lasts, count + 1
    return max(shares, key=shares.__getitem__, default=None)
