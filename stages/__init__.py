"""The stages of dvc.yaml, one script each."""

import gc
import os
import signal
import sys
from types import FrameType

# the default of 700 new objects looks for garbage hundreds of times while the libraries load, and finds none
gc.set_threshold(100_000, 20, 20)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    # not by an exception: libraries that are being loaded catch some, and print the others with their whole stack
    os.write(2, b"interrupted while loading: nothing had begun\n")
    os._exit(130)


# `python -m stages.NAME` is about to load the stage; erc_core.run.stage takes over when it is there
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _end_at_once)
