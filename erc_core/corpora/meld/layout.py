"""How MELD lies on disk: names of its files, and a search for them in a raw folder as people have it."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from erc_core.corpora.corpus import DataIssue
from erc_core.errors import ErcError

CLIP_FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
ANNOTATIONS = {split: f"{split}_sent_emo.csv" for split in CLIP_FOLDERS}
CLIP_SUFFIXES = (".wav", ".flac", ".mp4")  # of a clip that exists in several, the first is taken: who converts means it
EMOTIONS = ("neutral", "joy", "surprise", "anger", "sadness", "disgust", "fear")
PUBLISHED_ROWS = {"train": 9989, "dev": 1109, "test": 2610}
PAGE = "MELD: A Multimodal Multi-Party Dataset for Emotion Recognition in Conversations, affective-meld.github.io"

MAX_DEPTH = 5  # of folders below the raw folder: MELD.Raw/train/train_splits is the third
SPLIT_WORDS = {"train": "train", "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev", "test": "test"}

CLIP_NAME = re.compile(r"(final_videos_test)?dia([0-9]{1,9})_utt([0-9]{1,9})")
OUTER_ARCHIVE = re.compile(r"meld[._-]?raw.*\.(tar\.gz|tgz|tar)", re.IGNORECASE)
INNER_ARCHIVE = re.compile(r"(train|dev|test)\.(tar\.gz|tgz|tar)")


@dataclass(frozen=True)
class ClipFile:
    """A clip on disk.

    Attributes:
        path: Relative to the folder that was searched.
        split: As its folders' names tell.
        number: Of the dialogue, and of the utterance in it.
        is_twin: Whether it is a final_videos_test... of the test split.
    """

    path: str
    split: str
    number: tuple[int, int]
    is_twin: bool


@dataclass
class Listing:
    """What of MELD lies in a folder.

    Attributes:
        folder: The folder that was searched.
        annotations: Split -> files with the annotation's name.
        clips: All clips whose split is known.
        outer: Archives of the whole corpus.
        inner: Split -> archives of its clips.
        issues: What was refused.
    """

    folder: Path
    annotations: dict[str, list[Path]] = field(default_factory=dict)
    clips: list[ClipFile] = field(default_factory=list)
    outer: list[Path] = field(default_factory=list)
    inner: dict[str, list[Path]] = field(default_factory=dict)
    issues: list[DataIssue] = field(default_factory=list)

    @property
    def splits(self) -> set[str]:
        """The splits that have clips here."""
        return {clip.split for clip in self.clips}


def search(folder: Path) -> Listing:
    """Look through a folder for annotation, clips and archives; dot files and what is deeper than MAX_DEPTH are ignored.

    Raises:
        ErcError: A folder cannot be read.
    """
    listing = Listing(folder)
    root = folder.resolve()
    without_split: dict[str, int] = {}
    for name in _files(root, root, "", {root}, listing.issues):
        path = PurePosixPath(name)
        if is_clip(path.name):
            found = CLIP_NAME.fullmatch(path.stem)
            split = split_of(path.parent)
            if found is None or split is None:
                without_split[str(path.parent)] = without_split.get(str(path.parent), 0) + 1
            else:
                number = (int(found[2]), int(found[3]))
                listing.clips.append(ClipFile(name, split, number, is_twin=found[1] is not None))
        elif path.name in ANNOTATIONS.values():
            listing.annotations.setdefault(path.name.split("_")[0], []).append(folder / name)
        elif OUTER_ARCHIVE.fullmatch(path.name):
            listing.outer.append(folder / name)
        elif split := inner_split(path.name):
            listing.inner.setdefault(split, []).append(folder / name)
    for where, count in without_split.items():
        detail = f"{count:,} clips in a folder whose name tells no split (train, dev or test)"
        listing.issues.append(DataIssue(where, "clips_without_split", detail, "left out"))
    return listing


def is_clip(name: str) -> bool:
    """Return whether a file name is that of a clip: diaX_uttY, perhaps with the prefix of the test twins."""
    path = PurePosixPath(name)
    return path.suffix.lower() in CLIP_SUFFIXES and CLIP_NAME.fullmatch(path.stem) is not None


def inner_split(name: str) -> str | None:
    """Return the split whose clips an archive of this name holds; None for any other name."""
    found = INNER_ARCHIVE.fullmatch(name)
    return found[1] if found else None


def split_of(folder: PurePosixPath) -> str | None:
    """Return the split that the innermost telling folder names: train_splits, dev, wav_test, output_repeated_splits_test."""
    for part in reversed(folder.parts):
        told = {SPLIT_WORDS[word] for word in re.split("[^a-z]+", part.lower()) if word in SPLIT_WORDS}
        if len(told) == 1:
            return told.pop()
    return None


def expected(folder: Path, found: str, section: str) -> str:
    """Return the message for a folder that has no annotation: where was looked, what belongs there, where it is asked for."""
    return (
        f"{folder}: {found} (looked there and up to {MAX_DEPTH} folders below). Expected: "
        f"{', '.join(ANNOTATIONS.values())}, and the clips as MELD.Raw.tar.gz, as its train.tar.gz, dev.tar.gz and "
        f"test.tar.gz, or as folders {'/, '.join(CLIP_FOLDERS.values())}/ of diaX_uttY.mp4 (wav and flac are read too; "
        f"without any clip, model.modality: T works). The corpus is asked for from its authors: {PAGE}. If it lies "
        f"elsewhere, say where in params.yaml: {section}.raw_dir"
    )


def _files(
    folder: Path, root: Path, prefix: str, visited: set[Path], issues: list[DataIssue], depth: int = 0
) -> Iterator[str]:
    """Iterate over the files below a folder in order of their names, as paths relative to the root."""
    try:
        with os.scandir(folder) as listed:
            entries = sorted((entry for entry in listed if entry.name[0] != "."), key=lambda entry: entry.name)
    except OSError as error:
        raise ErcError(f"{folder}: not readable: {error.strerror}") from None
    for entry in entries:
        name = prefix + entry.name
        path = Path(entry.path)
        is_folder = _is_folder(entry)
        if not (is_folder or is_of_meld(entry.name)):
            continue
        if not entry.name.isprintable():
            issues.append(DataIssue(ascii(name), "unreadable_name", "a folder's name has odd characters", "left out"))
        elif entry.is_symlink() and not _inside(path, root):
            detail = "a link that leads out of the folder; let raw_dir name the real one"
            issues.append(DataIssue(name, "link_outside", detail, "left out"))
        elif is_folder:
            real = path.resolve()
            if depth < MAX_DEPTH and real not in visited:
                visited.add(real)
                yield from _files(path, root, f"{name}/", visited, issues, depth + 1)
        elif entry.is_file():
            yield name


def is_of_meld(name: str) -> bool:
    """Return whether a file name is one that the reader has a use for."""
    return (
        is_clip(name)
        or name in ANNOTATIONS.values()
        or OUTER_ARCHIVE.fullmatch(name) is not None
        or inner_split(name) is not None
    )


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):
        return False
