"""Ctrl-C while the libraries of a program load."""

import os
import signal
from types import FrameType


def end_in_one_line() -> None:
    """Let Ctrl-C end the process with a line, until erc_core.run.program takes over."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_at_once)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    # not by an exception: libraries that are being loaded catch some, and print the others with their whole stack
    os.write(2, b"interrupted while loading: nothing had begun\n")
    os._exit(130)
