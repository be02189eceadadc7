"""What a program does before its libraries load."""

import gc
import os
import signal
from types import FrameType


def begin_loading() -> None:
    """Look for garbage seldom, and let Ctrl-C end the process with a line, until erc_core.run.program takes over."""
    # the default of 700 new objects looks for garbage hundreds of times while the libraries load, and finds none
    gc.set_threshold(100_000, 20, 20)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_at_once)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    # not by an exception: libraries that are being loaded catch some, and print the others with their whole stack
    os.write(2, b"interrupted while loading: nothing had begun\n")
    os._exit(130)
