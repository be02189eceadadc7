"""The table of utterances: what every corpus looks like after its reader, whatever it looked like before."""

from pathlib import Path

import polars as pl

from erc_core.errors import ErcError
from erc_core.store.tables import read_parquet, write_parquet

# Lies in the raw folder of a corpus that no person spoke, whatever the corpus is called: its scores say nothing about people
SYNTHETIC_FILE = "SYNTHETIC"
SPLITS = ("train", "dev", "test")

SCHEMA = pl.Schema(
    [
        ("utterance_id", pl.String()),  # unique in the corpus
        ("split", pl.Enum(SPLITS)),
        ("dialogue_id", pl.String()),  # unique in the corpus
        ("turn", pl.Int32()),  # order within the dialogue, as the corpus numbers it
        ("speaker", pl.String()),
        ("text", pl.String()),
        ("emotion", pl.String()),  # the label's name
        ("audio_path", pl.String()),  # relative to the raw folder; null where the corpus has no clip
        ("status", pl.String()),  # of the clip at this point: ok or missing; the stage resample judges its content
    ]
)

UTTERANCES_FILE = "utterances.parquet"


def check_utterances(utterances: pl.DataFrame, source: str) -> pl.DataFrame:
    """Return what a reader made in the table's schema, after the checks that hold for any corpus.

    Raises:
        ErcError: No utterances, ids that repeat, an utterance without emotion, an empty split, or a dialogue in two splits.
    """
    table = utterances.select(SCHEMA.names()).cast(SCHEMA)
    if table.is_empty():
        raise ErcError(f"{source}: no utterances found")
    repeated = table.filter(pl.col("utterance_id").is_duplicated())["utterance_id"].unique(maintain_order=True)
    if len(repeated):
        raise ErcError(f"{source}: {len(repeated)} utterance ids occur more than once, such as {repeated[0]!r}")
    unlabelled = table.filter(pl.col("emotion").fill_null("") == "")["utterance_id"]
    if len(unlabelled):
        raise ErcError(f"{source}: {len(unlabelled)} utterances have no emotion, such as {unlabelled[0]!r}")
    for split in SPLITS:
        if table.filter(pl.col("split") == split).is_empty():
            raise ErcError(f"{source}: the {split} split has no utterances")
    spread = table.group_by("dialogue_id").agg(pl.col("split").n_unique()).filter(pl.col("split") > 1)
    if len(spread):
        raise ErcError(f"{source}: dialogue {spread['dialogue_id'].sort()[0]!r} is in more than one split")
    return table


def write_utterances(utterances: pl.DataFrame, folder: Path) -> None:
    """Write the table to folder/utterances.parquet."""
    write_parquet(utterances, folder / UTTERANCES_FILE)


def read_utterances(folder: Path) -> pl.DataFrame:
    """Read folder/utterances.parquet.

    Raises:
        ErcError: The file is missing or damaged.
    """
    return read_parquet(folder / UTTERANCES_FILE, "ingest", SCHEMA)


def stand_alone(utterances: pl.DataFrame) -> bool:
    """Return whether no dialogue has two utterances, so that there are none to speak of."""
    return len(utterances) > 1 and utterances["dialogue_id"].n_unique() == len(utterances)


def labels_of(utterances: pl.DataFrame) -> list[str]:
    """Return the emotions of the train split, the most frequent first.

    Raises:
        ErcError: Another split holds an emotion that the train split does not, so it could never be learned.
    """
    train = utterances.filter(pl.col("split") == "train")
    counts = train.group_by("emotion").len().sort(["len", "emotion"], descending=[True, False])
    labels = counts["emotion"].to_list()
    unseen = sorted(set(utterances["emotion"]) - set(labels))
    if unseen:
        raise ErcError(f"emotions {unseen} occur in dev or test but not in train: they cannot be learned")
    return labels
