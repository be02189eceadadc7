"""A JSON file of any tool: read safely, and its list of segments found."""

import json
from typing import Any

from erc_core.conversation.transcripts.funasr import funasr_sentence
from erc_core.conversation.transcripts.segments import Segment
from erc_core.conversation.transcripts.source import Source
from erc_core.conversation.transcripts.whisper import transformers_chunk, whisper_cpp_segment, whisper_segment

# key of the list -> reader of one of it; insanely-fast-whisper has both of the last two, and speakers in one of them
FORMS = {
    "segments": whisper_segment,
    "sentence_info": funasr_sentence,
    "transcription": whisper_cpp_segment,
    "speakers": transformers_chunk,
    "chunks": transformers_chunk,
}
LONGEST_INTEGER = 18  # digits; Python refuses to read very long ones


def is_json(source: Source) -> bool:
    """Whether the file begins as JSON does; a text may begin with a bracket too."""
    head = "".join(source.text[:2000].split())
    return head.startswith(("{", "[{")) and not head.startswith("{\\")  # {\an8} is a mark in subtitles


def read_json(source: Source) -> list[Segment]:
    """Return the segments of a file of Whisper, WhisperX, faster-whisper, whisper.cpp, Transformers or FunASR.

    Raises:
        ErcError: Damaged, or of another tool.
    """
    data = load_json(source)
    if isinstance(data, list) and len(data) == 1 and isinstance(data[0], dict) and "start" not in data[0]:
        data = data[0]  # FunASR returns a list, of one result for each recording
    if isinstance(data, list):
        if any(isinstance(item, dict) and FORMS.keys() & item.keys() for item in data):
            raise source.error(f"has the results of {len(data)} recordings: give a file for each")
        data = {"segments": data}
    if isinstance(data, dict):
        for key, read in FORMS.items():
            items = data.get(key)
            if isinstance(items, list) and (items or key != "speakers"):
                return [read(_as_dict(item, source, place), source, place) for place, item in _places(items)]
        if {"diarization", "exclusive_diarization"} & data.keys():
            raise source.error("has speakers and no words: give it to --speakers, beside a transcript")
        if {"key", "text"} <= data.keys():
            remedy = "let FunASR write it again with vad_model, punc_model and spk_model"
            raise source.error(f"a result of FunASR without sentence_info; {remedy}")
    raise source.error(f"JSON without a list of {', '.join(FORMS)}: no transcript of Whisper, WhisperX or FunASR")


def load_json(source: Source) -> Any:
    """Return what the file holds; ErcError where it is no JSON."""
    try:
        return json.loads(source.text, parse_int=_integer)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise source.error(f"no whole JSON ({error.msg}); let the tool write it again", place) from None
    except RecursionError:
        raise source.error("JSON nested too deeply to be a transcript; let the tool write it again") from None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= LONGEST_INTEGER else float(digits)


def _places(items: list[Any]) -> list[tuple[str, Any]]:
    return [(f"segment {number}", item) for number, item in enumerate(items, start=1)]


def _as_dict(item: Any, source: Source, place: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise source.error("is no object with start, end and text; let the tool write it again", place)
    return item
