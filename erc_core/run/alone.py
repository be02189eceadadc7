"""The same work is done by one process at a time."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from erc_core.errors import ErcError

# not where ERC_SCRATCH points: queued experiments share that, but each writes to a folder of its own
LOCKS = Path(".scratch/locks")
LONGEST_NAME = 200  # of a file


@contextmanager
def only_one(work: str, folder: Path = LOCKS) -> Iterator[None]:
    """Hold a lock on work in this folder, named by its command such as `python -m stages.train demo`, during the block.

    The lock is a file in the folder, which is made.

    The system lets go of it when the process ends, however it ends. Its forks do not have it.

    Raises:
        ErcError: Another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / re.sub(r"[^\w.-]", "_", work)[:LONGEST_NAME]).open("ab+", buffering=0) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            file.seek(0)
            process = file.read(20).decode(errors="replace").strip()
            known = f" (process {process})" if process.isdecimal() else ""
            raise ErcError(f"another process{known} is at this work, `{work}`: wait until it ends, or end it") from None
        except OSError:
            pass  # a file system without locks
        with suppress(OSError):  # only for the message
            file.truncate(0)
            file.write(b"%d\n" % os.getpid())
        yield
