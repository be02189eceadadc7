"""What the stage ingest met in a corpus, beside its utterances: data/<dataset>/ingest.json."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from erc_core.store.records import Record

INGEST_FILE = "ingest.json"


@dataclass(frozen=True)
class DataIssue:
    """Something in the raw files that was met by a rule."""

    where: str  # the utterance id, file, or file and row
    kind: str  # a short name of the rule, such as "missing_clip"; issues are counted by it
    detail: str  # what is there, in one line
    action: str  # what was done, such as "text only" or "left out"


class IngestRecord(Record):
    """A corpus as it was read."""

    ingest: dict[str, Any]  # the parameters, those that params.yaml leaves out among them
    synthetic: bool  # whether no person spoke it: SYNTHETIC_FILE lies in the raw folder
    clips: Literal["raw", "unpacked"]  # what audio paths are relative to: the raw folder, or what archives held
    facts: dict[str, Any]  # for the data card, in the order to show: name -> value (numbers, texts)
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
