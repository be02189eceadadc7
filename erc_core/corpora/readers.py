"""The reader of each raw format: one function from a raw folder to the table of utterances."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from erc_core.corpora.meld import read_meld
from erc_core.corpora.table import check_utterances
from erc_core.errors import ErcError
from erc_core.params.data import IngestParams

Reader = Callable[[Path], pl.DataFrame]

READERS: dict[str, Reader] = {"meld": read_meld}


def read_corpus(folder: Path, params: IngestParams) -> pl.DataFrame:
    """Read a raw folder in its format and check what came of it.

    Raises:
        ErcError: The folder is missing, or its files are not what the format has.
    """
    if not folder.is_dir():
        raise ErcError(
            f"{folder}: no such folder. Put the corpus there as its authors ship it, format {params.format!r}"
        )
    return check_utterances(READERS[params.format](folder), str(folder))
