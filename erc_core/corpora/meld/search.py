"""Search for MELD's files in a raw folder as people have it."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from erc_core.corpora.corpus import leads_out
from erc_core.corpora.meld.layout import ANNOTATIONS, CLIP_NAME, archive_part, is_clip, split_of
from erc_core.errors import ErcError
from erc_core.store.ingest import DataIssue

MAX_DEPTH = 5  # of folders below the raw folder: MELD.Raw/train/train_splits is the third


@dataclass(frozen=True)
class ClipFile:
    """A clip on disk."""

    path: str  # relative to the folder that was searched
    split: str  # as its folders' names tell
    number: tuple[int, int]  # of the dialogue, and of the utterance in it
    is_twin: bool  # whether it is a final_videos_test... of the test split


@dataclass
class Listing:
    """What of MELD lies in a folder."""

    folder: Path  # that was searched
    annotations: dict[str, list[Path]] = field(default_factory=dict)  # split -> files with the annotation's name
    clips: list[ClipFile] = field(default_factory=list)  # all whose split is known
    archives: dict[str, list[Path]] = field(default_factory=dict)  # split, or WHOLE -> archives of its clips
    issues: list[DataIssue] = field(default_factory=list)  # what was refused

    @property
    def splits(self) -> set[str]:
        """The splits that have clips here."""
        return {clip.split for clip in self.clips}


def search(folder: Path) -> Listing:
    """Look through a folder for annotation, clips and archives; dot files and what is deeper than MAX_DEPTH are ignored.

    ErcError where a folder cannot be read.
    """
    listing = Listing(folder)
    root = folder.resolve()
    without_split: Counter[str] = Counter()
    for name in _files(root, root, "", {root}, listing.issues):
        path = PurePosixPath(name)
        match, split, part = CLIP_NAME.fullmatch(path.stem), split_of(path.parent), archive_part(path.name)
        if path.name in ANNOTATIONS.values():
            listing.annotations.setdefault(path.name.split("_")[0], []).append(folder / name)
        elif part is not None:
            listing.archives.setdefault(part, []).append(folder / name)
        elif match is None or split is None:
            without_split[str(path.parent)] += 1
        else:
            listing.clips.append(ClipFile(name, split, (int(match[2]), int(match[3])), is_twin=match[1] is not None))
    for where, count in without_split.items():
        detail = f"{count:,} clips in a folder whose name tells no split (train, dev or test)"
        listing.issues.append(DataIssue(where, "clips_without_split", detail, "left out"))
    return listing


def _files(
    folder: Path, root: Path, prefix: str, visited: set[Path], issues: list[DataIssue], depth: int = 0
) -> Iterator[str]:
    """Iterate over the files of MELD below a folder in order of their names, as paths relative to the root."""
    try:
        with os.scandir(folder) as listed:
            entries = sorted((entry for entry in listed if entry.name[0] != "."), key=lambda entry: entry.name)
    except OSError as error:
        raise ErcError(f"{folder}: not readable: {error.strerror}") from None
    for entry in entries:
        name, path = prefix + entry.name, Path(entry.path)
        # what may not be looked at, or is a link to itself, is no folder, and no error
        is_folder = os.path.isdir(path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112
        of_meld = is_clip(entry.name) or entry.name in ANNOTATIONS.values() or archive_part(entry.name) is not None
        if not (is_folder or of_meld):
            continue
        if not entry.name.isprintable():
            issues.append(DataIssue(ascii(name), "unreadable_name", "a folder's name has odd characters", "left out"))
        elif entry.is_symlink() and leads_out(path, root):
            detail = "a link that leads out of the folder; let raw_dir name the real one"
            issues.append(DataIssue(name, "link_outside", detail, "left out"))
        elif is_folder:
            real = path.resolve()
            if depth < MAX_DEPTH and real not in visited:
                visited.add(real)
                yield from _files(path, root, f"{name}/", visited, issues, depth + 1)
        elif entry.is_file():
            yield name
