"""The data card as a record: what it says about a corpus, for the report to say it again."""

from pathlib import Path
from typing import Self

from erc_core.report.page.document import Section
from erc_core.run.paths import card_file
from erc_core.store.records import Record


class Card(Record):
    """data/cards/<dataset>.json."""

    dataset: str  # the corpus
    sections: list[Section]  # what is known of it; paths of figures are relative to the folder of its card

    def write(self, root: Path = Path()) -> None:
        """Write the file under a project's folder."""
        self.write_json(root / card_file(self.dataset))

    @classmethod
    def read(cls, dataset: str, root: Path = Path()) -> Self:
        """Read the file of a dataset under a project's folder."""
        return cls.read_json(root / card_file(dataset), "card")
