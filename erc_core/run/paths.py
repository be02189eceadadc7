"""Where the files of a dataset lie."""

from pathlib import Path

from erc_core.params.data import IngestParams


def data_folder(dataset: str) -> Path:
    """Return the folder that the stages fill for a dataset."""
    return Path("data") / dataset


def raw_folder(dataset: str, ingest: IngestParams | None = None) -> Path:
    """Return the folder that holds a dataset as its authors ship it; only `demo` is ever written there."""
    if ingest is not None and ingest.raw_dir is not None:
        return Path(ingest.raw_dir).expanduser()
    return Path("data/raw") / dataset


def reports_folder(dataset: str) -> Path:
    """Return the folder of what a person reads about a dataset."""
    return Path("reports") / dataset


def results_file(dataset: str) -> Path:
    """Return the file of facts about a dataset's run that the report reads."""
    return Path("data/results") / f"{dataset}.json"


def card_file(dataset: str) -> Path:
    """Return the file of a dataset's data card that the report reads."""
    return Path("data/cards") / f"{dataset}.json"
