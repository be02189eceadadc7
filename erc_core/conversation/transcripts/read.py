"""The front door: a transcript of any tool as one table.

The content decides what a file is, as people rename files. The suffix decides only whose message a damaged one gets.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl

from erc_core.conversation.transcripts.audacity import is_audacity, read_audacity
from erc_core.conversation.transcripts.cues import is_srt, is_vtt, read_cues
from erc_core.conversation.transcripts.elan import is_xml, read_elan
from erc_core.conversation.transcripts.json_file import is_json, read_json
from erc_core.conversation.transcripts.segments import Segment, as_table
from erc_core.conversation.transcripts.source import Source, read_source
from erc_core.conversation.transcripts.speakers import is_rttm
from erc_core.conversation.transcripts.textgrid import is_textgrid, read_textgrid


class _Format(NamedTuple):
    suffix: str
    is_it: Callable[[Source], bool]
    read: Callable[[Source], list[Segment]]


_FORMATS = (
    _Format(".json", is_json, read_json),
    _Format(".vtt", is_vtt, read_cues),
    _Format(".textgrid", is_textgrid, read_textgrid),
    _Format(".eaf", is_xml, read_elan),
    _Format(".srt", is_srt, read_cues),
    _Format(".txt", is_audacity, read_audacity),
)
READ = "JSON of Whisper, WhisperX, whisper.cpp, Transformers or FunASR; SRT; WebVTT; Praat TextGrid; ELAN .eaf; labels of Audacity"


def read_transcript(path: Path) -> pl.DataFrame:
    """Return the segments of a transcript.

    Returns:
        Columns start and end (seconds, null where the file has none), speaker (null where unknown) and text, in the order of
        the file, or of time where a file goes speaker by speaker (TextGrid, .eaf). Nothing is dropped or put right: times may
        overlap, run backwards or lie outside the recording.

    Raises:
        ErcError: The file cannot be read, is damaged, or of none of these formats; the message says where.
    """
    source = read_source(path)
    for form in _FORMATS:
        if form.is_it(source):
            return as_table(form.read(source))
    if is_rttm(source):
        raise source.error("RTTM has speakers and no words: give it to --speakers, beside a transcript")
    for form in _FORMATS:
        if path.suffix.lower() == form.suffix and form.suffix in (".json", ".eaf"):
            return as_table(form.read(source))  # these say themselves what is wrong
    raise source.error(f"no transcript that is read here. Read are: {READ}. What it is, is seen from its content")
