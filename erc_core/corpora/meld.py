"""Reader of MELD's files as they are shipped: three annotation CSVs, and a folder of clips for each split.

    train_sent_emo.csv   train_splits/diaX_uttY.mp4
    dev_sent_emo.csv     dev_splits_complete/diaX_uttY.mp4
    test_sent_emo.csv    output_repeated_splits_test/diaX_uttY.mp4

Clips may have been converted to wav or flac. Dialogue and utterance numbers restart in every split, so ids carry the split.
"""

from pathlib import Path

import polars as pl

from erc_core.corpora.corpus import Corpus
from erc_core.errors import ErcError
from erc_core.params.data import MeldIngest

CLIP_FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
CLIP_SUFFIXES = (".wav", ".flac", ".mp4")
COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")


def read_meld(folder: Path, params: MeldIngest, unpack_to: Path) -> Corpus:
    """Read the annotation, and find each utterance's clip.

    Args:
        folder: The raw folder.
        params: Section ingest.<dataset>.
        unpack_to: Folder for what archives hold.

    Returns:
        One row for each annotated utterance; see erc_core.corpora.table.SCHEMA.

    Raises:
        ErcError: A file is missing, has not the columns that MELD has, or has ids that are no numbers.
    """
    return Corpus(pl.concat([_read_split(folder, split) for split in CLIP_FOLDERS]))


def _read_split(folder: Path, split: str) -> pl.DataFrame:
    path = folder / f"{split}_sent_emo.csv"
    try:
        rows = pl.read_csv(path, infer_schema=False)
    except FileNotFoundError:
        raise ErcError(
            f"{path}: not found. Expected in {folder}: {', '.join(f'{name}_sent_emo.csv' for name in CLIP_FOLDERS)} and "
            f"the folders {', '.join(CLIP_FOLDERS.values())}"
        ) from None
    except pl.exceptions.PolarsError as error:
        raise ErcError(f"{path}: not readable as CSV ({' '.join(str(error).split())[:200]})") from None
    absent = [column for column in COLUMNS if column not in rows.columns]
    if absent:
        raise ErcError(f"{path}: columns {absent} are missing; found {rows.columns}")
    for column in ("Dialogue_ID", "Utterance_ID"):
        wrong = rows.with_row_index("row", offset=1).filter(~pl.col(column).fill_null("").str.contains("^[0-9]{1,9}$"))
        if len(wrong):
            raise ErcError(f"{path}: row {wrong['row'][0]}: {column} is {wrong[column][0]!r}, expected a whole number")
    clip_folder = folder / CLIP_FOLDERS[split]
    clips = _find_clips(clip_folder)
    name = pl.format("dia{}_utt{}", "Dialogue_ID", "Utterance_ID")
    return rows.select(
        utterance_id=pl.format("{}_{}", pl.lit(split), name),
        split=pl.lit(split),
        dialogue_id=pl.format("{}_dia{}", pl.lit(split), "Dialogue_ID"),
        turn=pl.col("Utterance_ID").cast(pl.Int32),
        speaker=pl.col("Speaker").fill_null(""),
        text=pl.col("Utterance").fill_null(""),
        emotion=pl.col("Emotion").str.strip_chars().str.to_lowercase(),
        audio_path=name.replace_strict(clips, default=None, return_dtype=pl.String),
    ).with_columns(status=pl.when(pl.col("audio_path").is_null()).then(pl.lit("missing")).otherwise(pl.lit("ok")))


def _find_clips(folder: Path) -> dict[str, str]:
    """Return clip name -> path relative to the raw folder; dot files are not clips."""
    if not folder.is_dir():
        return {}
    files = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in CLIP_SUFFIXES and not path.name.startswith(".")
    )
    return {path.stem: f"{folder.name}/{path.name}" for path in files}
