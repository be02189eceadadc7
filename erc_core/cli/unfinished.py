"""Answers that an interrupted prediction leaves behind, for the next run of the same one."""

import hashlib
import json
import shutil
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import polars as pl

from erc_core.conversation.segments import Conversation
from erc_core.errors import ErcError
from erc_core.store.tables import read_parquet, write_parquet

UNFINISHED = ".unfinished"  # folder in that of the results


class Unfinished:
    """A folder with the answers to the chunks of one prediction, each in a file of its own."""

    def __init__(self, out: Path, conversation: Conversation, settings: object) -> None:
        """Name the folder under `out` by what decides the answers: texts, times, files by size and time of change, settings."""
        self._parent = out / UNFINISHED
        stamps = {path: _stamp(path) for path in conversation.audio if isinstance(path, Path)}
        content = [
            version("erc-core"), settings, conversation.text, conversation.start.tolist(), conversation.end.tolist(),
            [[str(path), *stamps[path]] if isinstance(path, Path) else None for path in conversation.audio],
        ]  # fmt: skip
        self.folder = self._parent / hashlib.blake2b(json.dumps(content).encode(), digest_size=10).hexdigest()

    def read(self) -> dict[int, pl.DataFrame]:
        """Return the answers that are there and whole, by the number of their chunk."""
        done = {}
        for path in self.folder.glob("*.parquet"):
            with suppress(ErcError, ValueError):  # damaged when a machine went down
                done[int(path.stem)] = read_parquet(path, "predict")
        return done

    def keep(self, number: int, answers: pl.DataFrame) -> None:
        """Write the answers to a chunk."""
        write_parquet(answers, self.folder / f"{number}.parquet")

    def remove(self) -> None:
        """Remove what is unfinished under `out`, also of other settings."""
        shutil.rmtree(self._parent, ignore_errors=True)


def _stamp(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
