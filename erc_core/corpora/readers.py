"""The reader of each raw format: one function from a raw folder to a corpus."""

from dataclasses import replace
from pathlib import Path

from erc_core.corpora.corpus import SECTION, Corpus
from erc_core.corpora.iemocap.reader import read_iemocap
from erc_core.corpora.meld.reader import read_meld
from erc_core.corpora.table.reader import read_own_table
from erc_core.params.data import IngestParams
from erc_core.store.utterances import check_utterances


def read_corpus(folder: Path, params: IngestParams, unpack_to: Path, section: str = SECTION) -> Corpus:
    """Read a raw folder in its format and check what came of it.

    Args:
        folder: The raw folder; never written to.
        params: Section ingest.<dataset>; its `format` chooses the reader.
        unpack_to: Folder for what archives hold; exists and is empty.
        section: The name of that section, for messages.

    Raises:
        ErcError: The folder is missing, or its files are not what the format has; says what is expected there, and for a
            published corpus where its authors are asked for it.
    """
    match params.format:
        case "meld":
            corpus = read_meld(folder, params, unpack_to, section)
        case "iemocap":
            corpus = read_iemocap(folder, params, section)
        case "table":
            corpus = read_own_table(folder, params, section)
    return replace(corpus, utterances=check_utterances(corpus.utterances, str(folder)))
