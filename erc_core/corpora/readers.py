"""The reader of each raw format: one function from a raw folder to a corpus.

To add a corpus: a folder here with its reader and its settings, the class of its section in erc_core.params.data (`format`
first, the class in the union IngestParams, what may be left out None), and a line in READERS. A reader gets a raw folder, which
it never writes to; its settings; a folder for what archives hold, which exists and is empty; and the section's name, for
messages. It gives every utterance a split, keeps the text of one without a clip, and meets what is wrong by a rule, recorded
as an issue; what only the user can mend is an ErcError.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from erc_core.corpora.corpus import Corpus
from erc_core.corpora.iemocap.reader import read_iemocap
from erc_core.corpora.iemocap.split import IemocapSettings
from erc_core.corpora.meld.reader import MeldSettings, read_meld
from erc_core.corpora.table.reader import TableSettings, read_table
from erc_core.params.data import IngestParams
from erc_core.store.utterances import check_utterances

Reader = Callable[[Path, Any, Path, str], Corpus]

# format -> its section with every value, and its reader
READERS: dict[str, tuple[type[IngestParams], Reader]] = {
    "meld": (MeldSettings, read_meld),
    "iemocap": (IemocapSettings, read_iemocap),
    "table": (TableSettings, read_table),
}


def resolve(section: IngestParams) -> IngestParams:
    """Return a section ingest.<dataset> with a value for everything that params.yaml leaves out."""
    return READERS[section.format][0].model_validate(section.model_dump(exclude_none=True))


def read_corpus(folder: Path, section: IngestParams, unpack_to: Path, name: str = "ingest.<dataset>") -> Corpus:
    """Read a raw folder, never written to, in its format and check what came of it.

    `section` is ingest.<dataset>, and `name` its name for messages; `unpack_to` is a folder for what archives hold,
    which exists and is empty.

    Raises:
        ErcError: The folder is missing, or its files are not what the format has; says what is expected there, and for
            a published corpus where its authors are asked for it.
    """
    corpus = READERS[section.format][1](folder, resolve(section), unpack_to, name)
    return replace(corpus, utterances=check_utterances(corpus.utterances, str(folder)))
