"""How what is written points to the sound that it is about: relative to its own folder, so that both can be moved together."""

import os
from pathlib import Path


def relative_path(path: Path | str, folder: Path) -> str:
    """Return a path as seen from a folder, with slashes; bytes that are not UTF-8 are replaced."""
    relative = Path(os.path.relpath(path, folder)).as_posix()
    return os.fsencode(relative).decode(errors="replace")
