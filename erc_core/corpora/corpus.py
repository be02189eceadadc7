"""What a reader makes of a raw folder: the utterances, what was wrong, and facts for the data card."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from erc_core.store.ingest import DataIssue
from erc_core.store.utterances import SCHEMA


@dataclass(frozen=True)
class Corpus:
    """A corpus as read; clips, issues and facts are those of erc_core.store.ingest.IngestRecord."""

    utterances: pl.DataFrame  # one row per utterance; see erc_core.store.utterances.SCHEMA
    clips: Literal["raw", "unpacked"] = "raw"
    issues: list[DataIssue] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def utterance_table(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Return the table of rows that have its columns but the status, which audio_path decides, and perhaps others."""
    complete = [row | {"status": "ok" if row["audio_path"] else "missing"} for row in rows]
    return pl.DataFrame(complete, schema=SCHEMA)


def leads_out(path: Path, root: Path) -> bool:
    """Return whether a path lies outside a folder once all links are followed; the folder has none of its own."""
    return not Path(os.path.realpath(path)).is_relative_to(root)
