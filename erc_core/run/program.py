"""What every program does around its work: one clear message for what a user can mend, whatever went wrong."""

import atexit
import gc
import os
import signal
import sys
from collections.abc import Callable

from erc_core.errors import ErcError
from erc_core.run.full_disk import DiskFullError, full_folder, says_full_disk


def run_program(work: Callable[[], None]) -> None:
    """Do the work of a process.

    An ErcError is printed to standard error as it is, and ends the process with its exit code; a full disk and Ctrl-C end it
    with a line, too.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # until here erc_core.run.loading had another one
    gc.freeze()  # what was imported lives to the end: looking through it again costs a second or two, and a fork its memory
    try:
        work()
        _flush_output()
        # all is written; what is being unloaded would print its whole stack
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_DFL)
    except ErcError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print(
            "interrupted: nothing unfinished was kept under a final name; run the same command again", file=sys.stderr
        )
        sys.exit(130)
    except Exception as error:
        if not says_full_disk(error):
            raise
        print(DiskFullError(full_folder(error)), file=sys.stderr)
        sys.exit(DiskFullError.exit_code)


def _flush_output() -> None:
    try:
        sys.stdout.flush()
    except OSError as error:
        # or Python tries again at its end, and says so in its own words
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        error.filename = "standard output"
        raise
