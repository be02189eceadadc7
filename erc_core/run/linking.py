"""Folders that share their files."""

import os
import shutil
from pathlib import Path

ANYBODY_WRITES = 0o222


def link_or_copy(source: Path, target: Path) -> None:
    """Put what is in a folder into another one that is there.

    A file that nobody may write to, such as DVC's links into its cache, is linked: a model of a gigabyte lies on the disk once.
    Any other is copied, as an edit of one would reach the other.
    """
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir()
            continue
        whole = path.resolve()  # DVC may link by symbolic links, which lead out of a folder that is moved
        if not whole.stat().st_mode & ANYBODY_WRITES:
            try:
                os.link(whole, place)
            except OSError:  # another disk, or one without links
                pass
            else:
                continue
        shutil.copyfile(whole, place)
