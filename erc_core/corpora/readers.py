"""The reader of each raw format: one function from a raw folder to a corpus."""

from dataclasses import replace
from pathlib import Path

from erc_core.corpora.corpus import Corpus
from erc_core.corpora.meld import read_meld
from erc_core.corpora.table import check_utterances
from erc_core.errors import ErcError
from erc_core.params.data import IngestParams


def read_corpus(folder: Path, params: IngestParams, unpack_to: Path) -> Corpus:
    """Read a raw folder in its format and check what came of it.

    Args:
        folder: The raw folder; never written to.
        params: Section ingest.<dataset>; its `format` chooses the reader.
        unpack_to: Folder for what archives hold; exists and is empty.

    Raises:
        ErcError: The folder is missing, or its files are not what the format has.
    """
    if not folder.is_dir():
        raise ErcError(
            f"{folder}: no such folder; the corpus is expected there as its authors ship it ({params.format})"
        )
    match params.format:
        case "meld":
            corpus = read_meld(folder, params, unpack_to)
        case "iemocap" | "table":
            raise ErcError(f"format {params.format!r} cannot be read yet")
    return replace(corpus, utterances=check_utterances(corpus.utterances, str(folder)))
