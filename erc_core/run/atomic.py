"""Files and folders appear under their names whole, or not at all."""

import glob
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from erc_core.run.full_disk import telling_full_disk


def scratch_beside(target: Path, kind: str) -> Path:
    """Return a hidden path beside the target for this process to write to.

    The target's folder is made. What killed processes left under such names is removed: a spool can be as large as the
    corpus. The names carry the process, so those of a process that still runs are left alone.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for path in target.parent.glob(f".{glob.escape(target.name)}.*.{kind}"):
        process = path.name[len(target.name) + 2 : -len(kind) - 1]
        if process.isdecimal() and not psutil.pid_exists(int(process)):
            _remove(path)
    return target.with_name(f".{target.name}.{os.getpid()}.{kind}")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Yield a path beside the target to write to; it takes the target's name unless the block raises, and goes then.

    Raises:
        DiskFullError: The disk is full, whatever the block raised.
    """
    with telling_full_disk(target):
        partial = scratch_beside(target, "partial")
    try:
        with telling_full_disk(target):
            yield partial
            partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside the target that replaces the target unless the block raises, and goes then.

    Raises:
        DiskFullError: The disk is full, whatever the block raised.
    """
    with telling_full_disk(target):
        partial, replaced = scratch_beside(target, "partial"), scratch_beside(target, "replaced")
        _remove(partial)
        partial.mkdir()
    try:
        with telling_full_disk(target, partial):
            yield partial
            if target.exists():
                # moved away, not deleted in place: a process killed while it deletes leaves no half of a folder
                target.replace(replaced)
            partial.replace(target)
    finally:
        _remove(partial)
        _remove(replaced)


def write_text(target: Path, text: str) -> None:
    """Write a text in UTF-8, whole or not at all, with the line breaks that it has."""
    with atomic_file(target) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_json(target: Path, content: Any) -> None:
    """Write JSON in one stable format: indented, keys as given, a newline at the end, no NaN."""
    write_text(target, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
