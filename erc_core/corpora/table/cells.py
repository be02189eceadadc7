"""What single cells of a user's table mean: cleaned text, a split, a turn, a clip inside the raw folder."""

import os
import re
import unicodedata
from functools import lru_cache
from pathlib import Path, PurePosixPath

SPLIT_WORDS = {
    "train": ("train", "training", "trn"),
    "dev": ("dev", "devel", "development", "val", "valid", "validation"),
    "test": ("test", "testing", "tst"),
}
SPLIT_OF = {word: split for split, words in SPLIT_WORDS.items() for word in words}
LARGEST_TURN = 2**31 - 1

_CP1252 = {code: bytes([code]).decode("cp1252", "replace").replace("\ufffd", " ") for code in range(0x80, 0xA0)}
# bytes that are not UTF-8 arrive as surrogates, and what an earlier program misread as C1 control characters
_MENDED = _CP1252 | {0xDC00 + code: _CP1252.get(code, chr(code)) for code in range(0x80, 0x100)}
_DAMAGED = re.compile("[\x80-\x9f\udc80-\udcff]")
_CONTROL = re.compile("[\x00-\x1f\x7f\u2028\u2029]+")
_ELSEWHERE = re.compile(r"[/\\]|[A-Za-z]:|[A-Za-z][A-Za-z0-9+.-]+://")
_WHOLE_NUMBER = re.compile(r"([+-]?[0-9]{1,10})(\.0*)?")


def clean(cell: str) -> tuple[str, list[tuple[str, str, str]]]:
    """Return a cell as one line of characters that can be shown, and what was mended.

    Args:
        cell: As the file has it.

    Returns:
        The stripped text; (kind, detail, action) of each rule that applied.
    """
    cell, mended = cell.strip(), []
    if damaged := _DAMAGED.findall(cell):
        codes = ", ".join(f"0x{ord(sign) & 0xFF:02x}" for sign in dict.fromkeys(damaged[:8]))
        mended.append(("damaged_encoding", f"{len(damaged)} bytes are not UTF-8 ({codes})", "read as Windows-1252"))
        cell = cell.translate(_MENDED)
    if control := _CONTROL.findall(cell):
        codes = ", ".join(f"U+{ord(sign):04X}" for sign in dict.fromkeys("".join(control)[:8]))
        mended.append(("control_characters", f"holds line breaks or control characters ({codes})", "read as a space"))
        cell = _CONTROL.sub(" ", cell)
    return cell.strip(), mended


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


class ClipFolder:
    """Finds the clips that a table names, and none outside the raw folder."""

    def __init__(self, raw: Path, beside: Path) -> None:
        """Prepare for one table.

        Args:
            raw: The raw folder.
            beside: The folder that holds the table.
        """
        self._raw = Path(os.path.realpath(raw))
        self._beside = Path(os.path.realpath(beside))
        self._real_folder = lru_cache(maxsize=None)(os.path.realpath)

    def locate(self, cell: str) -> tuple[str | None, str]:
        """Follow a path of the table.

        Args:
            cell: The path; backslashes separate folders too.

        Returns:
            The path relative to the raw folder, None where it may not be followed; and "found", or what is wrong.
        """
        if _ELSEWHERE.match(cell):
            return None, "is not relative to the folder of the table"
        path = self._beside / PurePosixPath(cell.replace("\\", "/"))
        try:
            real = Path(self._real_folder(path.parent)) / path.name
            if path.name == ".." or real.is_symlink():
                real = Path(os.path.realpath(real))
            inside, is_file = real.is_relative_to(self._raw), real.is_file()
        except (OSError, ValueError) as error:  # longer than a name may be, or not a name in the system's encoding
            return cell, getattr(error, "strerror", None) or "not a file name"
        if not inside:
            return None, "leaves the raw folder"
        return real.relative_to(self._raw).as_posix(), "found" if is_file else "no such file"
