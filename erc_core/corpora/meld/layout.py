"""The names of MELD's files, as they are published and as people rename them."""

import re
from pathlib import PurePosixPath

CLIP_FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
ANNOTATIONS = {split: f"{split}_sent_emo.csv" for split in CLIP_FOLDERS}
CLIP_SUFFIXES = (".wav", ".flac", ".mp4")  # of a clip that exists in several, the first is taken: who converts means it
EMOTIONS = ("neutral", "joy", "surprise", "anger", "sadness", "disgust", "fear")
PUBLISHED_ROWS = {"train": 9989, "dev": 1109, "test": 2610}
PAGE = "MELD: A Multimodal Multi-Party Dataset for Emotion Recognition in Conversations, affective-meld.github.io"

WHOLE = ""  # in place of a split: an archive of all of them
SPLIT_WORDS = {"train": "train", "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev", "test": "test"}

CLIP_NAME = re.compile(r"(final_videos_test)?dia([0-9]{1,9})_utt([0-9]{1,9})")
_OUTER_ARCHIVE = re.compile(r"meld[._-]?raw.*\.(tar\.gz|tgz|tar)", re.IGNORECASE)
_INNER_ARCHIVE = re.compile(r"(train|dev|test)\.(tar\.gz|tgz|tar)")


def is_clip(name: str) -> bool:
    """Return whether a file name is that of a clip: diaX_uttY, perhaps with the prefix of the test twins."""
    path = PurePosixPath(name)
    return path.suffix.lower() in CLIP_SUFFIXES and CLIP_NAME.fullmatch(path.stem) is not None


def inner_split(name: str) -> str | None:
    """Return the split whose clips an archive of this name holds; None for any other name."""
    match = _INNER_ARCHIVE.fullmatch(name)
    return match[1] if match else None


def archive_part(name: str) -> str | None:
    """Return the split that an archive of this name holds, or WHOLE; None for any other name."""
    return WHOLE if _OUTER_ARCHIVE.fullmatch(name) else inner_split(name)


def split_of(folder: PurePosixPath) -> str | None:
    """Return the split that the innermost telling folder names: train_splits, dev, wav_test, output_repeated_splits_test."""
    for part in reversed(folder.parts):
        splits = {SPLIT_WORDS[word] for word in re.split("[^a-z]+", part.lower()) if word in SPLIT_WORDS}
        if len(splits) == 1:
            return splits.pop()
    return None


def utterance_id(split: str, number: tuple[int, int]) -> str:
    """Return the id of an utterance: numbers restart in every split, so it carries the split."""
    return f"{split}_dia{number[0]}_utt{number[1]}"
