"""Progress that reads well on a terminal and in a log file."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, TypeVar

from tqdm import tqdm

Element = TypeVar("Element")


class _Lines:
    """A text stream on which tqdm's carriage returns become lines, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        line = text.strip("\r\n ")
        if line:
            self.stream.write(line + "\n")

    def flush(self) -> None:
        self.stream.flush()


@contextmanager
def progress(steps: Iterable[Element], *, total: int, desc: str, unit: str) -> Iterator[Iterator[Element]]:
    """Show how far the work is, until the block is left: also by an error, whose message then has a line of its own.

    The yielded iterator gives the same steps, of a `unit` such as "utterance". On a terminal a bar moves in place; in a log file a line is written at most every ten seconds.
    """
    looks: dict[str, Any] = {"dynamic_ncols": True, "leave": False}
    if not sys.stderr.isatty():
        looks = {"ncols": 90, "ascii": True, "mininterval": 10, "file": _Lines(sys.stderr)}
    with tqdm(steps, total=total, desc=desc, unit=f" {unit}", **looks) as bar:
        yield iter(bar)
