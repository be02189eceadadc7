"""Checksums that files carry and their readers verify, so that a damaged byte is noticed before it becomes a number.

XXH3 of 128 bits: it runs at the speed of memory, and is against accidents, not against an attacker. Each is made from content
alone, so the same content gives the same bytes.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import xxhash

from erc_core.errors import damaged
from erc_core.run.atomic import write_json

CHECKSUM = "checksum"  # its key, wherever it has one
FOLDER_FILE = "checksums.json"
WRONG = "its checksum is not that of its content"


def file_checksum(path: Path) -> str:
    """Return the checksum of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()


def seal(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with its checksum as the last key."""
    return {**content, CHECKSUM: _of_json(content)}


def unseal(content: Any) -> dict[str, Any]:
    """Return a JSON object without the checksum that seal gave it.

    Raises:
        ValueError: It is no object, or its checksum is absent or wrong.
    """
    if not isinstance(content, dict) or CHECKSUM not in content:
        raise ValueError("has no checksum")
    rest = {key: value for key, value in content.items() if key != CHECKSUM}
    if content[CHECKSUM] != _of_json(rest):
        raise ValueError(WRONG)
    return rest


def _of_json(content: Any) -> str:
    return xxhash.xxh3_128_hexdigest(json.dumps(content, sort_keys=True).encode())


def seal_folder(folder: Path) -> None:
    """Write folder/checksums.json, about every other file under the folder."""
    write_json(folder / FOLDER_FILE, seal({name: file_checksum(folder / name) for name in _files(folder)}))


def verify_folder(folder: Path, *, beside: Collection[str] = ()) -> None:
    """Compare what is under a folder with its checksums.json.

    `beside` are files and folders at its top that may be there as well, whatever they hold.

    Raises:
        ErcError: A file is damaged, missing, or one too many.
    """
    record = folder / FOLDER_FILE
    try:
        expected = unseal(json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise damaged(record, "missing" if isinstance(error, FileNotFoundError) else f"damaged ({error})") from None
    found = [name for name in _files(folder) if name in expected or name.split("/")[0] not in beside]
    if changed := sorted(set(expected) ^ set(found)):
        raise damaged(folder / changed[0], "not among the checksums" if changed[0] in found else "missing")
    for name in found:
        if file_checksum(folder / name) != expected[name]:
            raise damaged(folder / name, f"damaged ({WRONG})")


def _files(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path != folder / FOLDER_FILE)
    return sorted(path.relative_to(folder).as_posix() for path in paths)
