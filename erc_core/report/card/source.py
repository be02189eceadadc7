"""What a data card is made of: the stages' files about one corpus, read, checked and joined."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from erc_core.errors import ErcError
from erc_core.report.card.hashing import audio_hashes, text_hash
from erc_core.store.clips import read_clips
from erc_core.store.ingest import DataIssue, IngestRecord
from erc_core.store.ragged import RaggedReader
from erc_core.store.utterances import read_utterances


@dataclass(frozen=True)
class CardSource:
    """Everything that is known about a corpus after ingest and decoding."""

    dataset: str  # its name
    synthetic: bool  # whether no person spoke it
    # the table of utterances, and beside its columns: clip_status, clip_detail; seconds (of the clip as it came, null
    # if unknown); used_seconds (of speech kept, 0 if none); text_hash, audio_hash (null without). Speakers are null
    # where the corpus does not name them.
    utterances: pl.DataFrame
    ingest: dict[str, Any]  # the parameters of ingest
    facts: dict[str, Any]  # what the reader reports: name -> value
    issues: list[DataIssue]  # what the reader met by a rule


def load_source(dataset: str, folder: Path) -> CardSource:
    """Read utterances.parquet, ingest.json, clips.parquet and audio.h5 of a corpus; samples are hashed block by block.

    Raises:
        ErcError: A file is missing or damaged, or two of them are about different utterances.
    """
    utterances, clips, record = read_utterances(folder), read_clips(folder), IngestRecord.read(folder)
    if not clips["utterance_id"].equals(utterances["utterance_id"]):
        raise ErcError(
            f"{folder / 'clips.parquet'}: its utterances are not those of utterances.parquet; run `dvc repro`"
        )
    with RaggedReader(folder / "audio.h5") as audio:
        audio.require_ids(utterances["utterance_id"].to_list(), "utterances.parquet")
        used_seconds, hashes = audio.lengths / audio.number("sample_rate"), audio_hashes(audio)
    seconds = clips["seconds"]
    joined = utterances.with_columns(
        clip_status=clips["status"].cast(pl.String),
        clip_detail=clips["detail"].fill_null(""),
        seconds=pl.when(seconds.is_finite() & (seconds > 0)).then(seconds),
        used_seconds=pl.Series(used_seconds, dtype=pl.Float64),
        audio_hash=pl.Series(hashes, dtype=pl.String),
        text_hash=pl.col("text").map_elements(text_hash, return_dtype=pl.String, skip_nulls=True),
        speaker=pl.when(pl.col("speaker").str.strip_chars() != "").then(pl.col("speaker")),
    )
    return CardSource(dataset, record.synthetic, joined, record.ingest, record.facts, record.issues)
