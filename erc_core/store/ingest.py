"""What the stage ingest met in a corpus, beside its utterances: data/<dataset>/ingest.json."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from erc_core.store.records import Record

INGEST_FILE = "ingest.json"


@dataclass(frozen=True)
class DataIssue:
    """Something in the raw files that was met by a rule.

    Attributes:
        where: The utterance id, file, or file and row.
        kind: A short name of the rule, such as "missing_clip"; issues are counted by it.
        detail: What is there, in one line.
        action: What was done, such as "text only" or "left out".
    """

    where: str
    kind: str
    detail: str
    action: str


class IngestRecord(Record):
    """A corpus as it was read.

    Attributes:
        ingest: The parameters, those that params.yaml leaves out among them.
        clips: What audio paths are relative to: the raw folder, or the folder that archives were unpacked to.
        facts: For the data card, in the order to show: name -> value (numbers, texts).
        issues: What was wrong, and what was done.
    """

    ingest: dict[str, Any]
    clips: Literal["raw", "unpacked"]
    facts: dict[str, Any]
    issues: list[DataIssue]

    def write(self, folder: Path) -> None:
        """Write folder/ingest.json."""
        self.write_json(folder / INGEST_FILE)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read folder/ingest.json.

        Raises:
            ErcError: The file is missing or damaged.
        """
        return cls.read_json(folder / INGEST_FILE, "ingest")
