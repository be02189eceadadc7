"""What single cells of a user's table mean: a split, a turn, a clip inside the raw folder."""

import os
import re
import unicodedata
from pathlib import Path, PurePosixPath

from erc_core.corpora.corpus import leads_out

SPLIT_WORDS = {
    "train": ("train", "training", "trn"),
    "dev": ("dev", "devel", "development", "val", "valid", "validation"),
    "test": ("test", "testing", "tst"),
}
SPLIT_OF = {word: split for split, words in SPLIT_WORDS.items() for word in words}
LARGEST_TURN = 2**31 - 1

_ELSEWHERE = re.compile(r"[/\\]|[A-Za-z]:|[A-Za-z][A-Za-z0-9+.-]+://")
_WHOLE_NUMBER = re.compile(r"([+-]?[0-9]{1,10})(\.0*)?")


def parse_turn(cell: str) -> int | None:
    """Return a whole number, 3.0 included, or None where it is none."""
    match = _WHOLE_NUMBER.fullmatch(cell)
    turn = int(match[1]) if match else LARGEST_TURN + 1
    return turn if abs(turn) <= LARGEST_TURN else None


def alike(labels: list[str]) -> list[list[str]]:
    """Return the labels that differ only in case, spaces or punctuation, together."""
    same: dict[str, list[str]] = {}
    for label in sorted(set(labels)):
        folded = unicodedata.normalize("NFKC", label).casefold()
        same.setdefault("".join(filter(str.isalnum, folded)) or label, []).append(label)
    return [group for group in same.values() if len(group) > 1]


def locate(cell: str, beside: Path, raw: Path) -> tuple[str | None, str]:
    """Follow a path that a user names, to nowhere outside the raw folder.

    Args:
        cell: The path; backslashes separate folders too.
        beside: The folder that it is relative to.
        raw: The raw folder, without links.

    Returns:
        The path relative to the raw folder, None where it may not be followed; and "found", or what is wrong.
    """
    if _ELSEWHERE.match(cell):
        return None, "is not relative to the folder of the table"
    try:
        real = Path(os.path.realpath(beside / PurePosixPath(cell.replace("\\", "/"))))
        outside, is_file = leads_out(real, raw), real.is_file()
    except (OSError, ValueError) as error:  # longer than a name may be, or not a name in the system's encoding
        return cell, getattr(error, "strerror", None) or "not a file name"
    if outside:
        return None, "leaves the raw folder"
    return real.relative_to(raw).as_posix(), "found" if is_file else "no such file"
