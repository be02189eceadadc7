"""What a data card is made of: the stages' files about one corpus, read, checked and joined."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from erc_core.corpora.corpus import DataIssue
from erc_core.errors import ErcError
from erc_core.report.card.hashing import audio_hashes, text_hash
from erc_core.store.clips import read_clips
from erc_core.store.ragged import RaggedReader
from erc_core.store.utterances import SYNTHETIC, read_utterances


@dataclass(frozen=True)
class CardSource:
    """Everything that is known about a corpus after ingest and decoding.

    Attributes:
        dataset: Its name.
        synthetic: Whether no person spoke it.
        utterances: The table of utterances, and beside its columns: clip_status, clip_detail; seconds (of the clip as it
            came, null if unknown); used_seconds (of speech kept, 0 if none); text_hash, audio_hash (null without).
            Speakers are null where the corpus does not name them.
        ingest: The parameters of ingest.
        facts: What the reader reports: name -> value.
        issues: What the reader met by a rule.
    """

    dataset: str
    synthetic: bool
    utterances: pl.DataFrame
    ingest: dict[str, Any]
    facts: dict[str, Any]
    issues: list[DataIssue]


def load_source(dataset: str, folder: Path) -> CardSource:
    """Read the files of a corpus; samples are hashed block by block.

    Args:
        dataset: The corpus.
        folder: Where utterances.parquet, ingest.json, clips.parquet and audio.h5 are.

    Raises:
        ErcError: A file is missing or damaged, or two of them are about different utterances.
    """
    utterances, clips = read_utterances(folder), read_clips(folder)
    if not clips["utterance_id"].equals(utterances["utterance_id"]):
        raise ErcError(
            f"{folder / 'clips.parquet'}: its utterances are not those of utterances.parquet; run `dvc repro`"
        )
    with RaggedReader(folder / "audio.h5") as audio:
        audio.require_ids(utterances["utterance_id"].to_list(), "utterances.parquet")
        rate = float(audio.attributes["sample_rate"])
        heard = pl.DataFrame(
            {"used_seconds": audio.lengths / rate, "audio_hash": audio_hashes(audio)},
            schema={"used_seconds": pl.Float64, "audio_hash": pl.String},
        )
    record = _read_record(folder / "ingest.json")
    seconds = pl.col("seconds")
    joined = pl.concat(
        [
            utterances,
            clips.select(
                clip_status=pl.col("status").cast(pl.String),
                clip_detail=pl.col("detail").fill_null(""),
                seconds=pl.when(seconds.is_finite() & (seconds > 0)).then(seconds),
            ),
            heard,
            pl.DataFrame(
                {"text_hash": [text_hash(text) for text in utterances["text"]]}, schema={"text_hash": pl.String}
            ),
        ],
        how="horizontal",
    ).with_columns(speaker=pl.when(pl.col("speaker").str.strip_chars() != "").then(pl.col("speaker")))
    return CardSource(
        dataset=dataset,
        synthetic=dataset in SYNTHETIC,
        utterances=joined,
        ingest=record["ingest"],
        facts=record["facts"],
        issues=[DataIssue(**issue) for issue in record["issues"]],
    )


def _read_record(path: Path) -> dict[str, Any]:
    """Read ingest.json, and see that it has what the stage ingest writes."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ErcError(f"{path}: not found; the stage ingest makes it: run `dvc repro`") from None
    except ValueError as error:
        raise ErcError(f"{path}: damaged ({error}); delete it and run `dvc repro`") from None
    fields = {"where", "kind", "detail", "action"}
    right = (
        isinstance(record, dict)
        and all(
            isinstance(record.get(name), kind) for name, kind in (("ingest", dict), ("facts", dict), ("issues", list))
        )
        and all(
            isinstance(issue, dict) and set(issue) == fields and all(isinstance(text, str) for text in issue.values())
            for issue in record["issues"]
        )
    )
    if not right:
        raise ErcError(f"{path}: not what the stage ingest writes; delete it and run `dvc repro`")
    return dict(record)
