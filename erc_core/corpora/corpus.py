"""What a reader makes of a raw folder: the utterances, what was wrong, and facts for the data card."""

from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

SECTION = "ingest.<dataset>"  # what messages call a dataset's section of params.yaml where its name is not known


@dataclass(frozen=True)
class DataIssue:
    """Something in the raw files that was met by a rule.

    Attributes:
        where: The utterance id, file, or file and row.
        kind: A short name of the rule, such as "missing_clip"; issues are counted by it.
        detail: What was found, in one line.
        action: What was done, such as "text only" or "left out".
    """

    where: str
    kind: str
    detail: str
    action: str


@dataclass(frozen=True)
class Corpus:
    """A corpus as read.

    Attributes:
        utterances: One row per utterance; see erc_core.store.utterances.SCHEMA.
        clips: What audio paths are relative to: the raw folder, or the folder that archives were unpacked to.
        issues: What was wrong, and what was done.
        facts: Further facts for the data card, in the order to show: name -> value (numbers, texts).
    """

    utterances: pl.DataFrame
    clips: Literal["raw", "unpacked"] = "raw"
    issues: list[DataIssue] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
