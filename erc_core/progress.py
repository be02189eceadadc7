"""Progress that reads well on a terminal and in a log file."""

import sys
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

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


def progress(steps: Iterable[Element], *, total: int, desc: str, unit: str) -> Iterator[Element]:
    """Iterate while showing how far the work is.

    On a terminal a bar moves in place; in a log file a line is written at most every ten seconds.

    Args:
        steps: What to iterate over.
        total: How many elements it has.
        desc: What is being done, the stage and the dataset.
        unit: What one element is, such as "utterance".

    Returns:
        An iterator over the same elements.
    """
    if sys.stderr.isatty():
        return iter(tqdm(steps, total=total, desc=desc, unit=f" {unit}", dynamic_ncols=True, leave=False))
    return iter(
        tqdm(
            steps,
            total=total,
            desc=desc,
            unit=f" {unit}",
            ncols=90,
            ascii=True,
            mininterval=10,
            file=_Lines(sys.stderr),
        )
    )
