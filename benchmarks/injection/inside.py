"""What is done to a stage from inside its process: killed before a file operation, given a small disk, watched for writes.

File operations are those that Python tells of (its audit events: files opened to write, renamed, removed, folders made) and
those of the libraries that write by themselves, before and after: HDF5, Parquet, weights, checkpoints.
"""

import ctypes
import functools
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
# of <sched.h> and <sys/mount.h>, on Linux
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_REMOUNT, MS_REC, MS_PRIVATE = 32, 16384, 1 << 18
OUTSIDE = "written outside of the project:"
NO_MOUNT = 77  # exit code where no file system can be mounted


class Operations:
    """Counts the file operations of this process, and ends it before one of them."""

    def __init__(self, kill_before: int | None, told: Path | None, project: Path) -> None:
        """Begin to count.

        Args:
            kill_before: The operation, from 1, before which the process is killed (SIGKILL); None for none.
            told: File that gets one byte for each operation.
            project: The only folder that may be written to, with that of temporary files.
        """
        self.count = 0
        self._kill_before = kill_before
        self._told = os.open(told, os.O_CREAT | os.O_WRONLY | os.O_APPEND) if told else None
        self._allowed = (str(project), os.environ["TMPDIR"], "/dev/")
        sys.addaudithook(self._heard)

    def step(self) -> None:
        """Count one operation, which is about to happen."""
        self.count += 1
        if self.count == self._kill_before:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._told is not None:
            os.write(self._told, b".")

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            # descriptors that are open already are given as numbers
            if not isinstance(path, str | bytes) or not isinstance(flags, int) or not flags & WRITES:
                return
        elif event in CHANGES:
            path = arguments[1] if event == "os.rename" else arguments[0]
            if not isinstance(path, str | bytes):
                return
        else:
            return
        place = os.path.realpath(os.fsdecode(path))
        if not place.startswith(self._allowed):
            print(OUTSIDE, place, file=sys.stderr, flush=True)
        self.step()


OPERATIONS: list[Operations] = []  # of this process: one, or none where nobody counts


def tell_of(owner: Any, name: str) -> None:
    """Make a function of a library count as two operations, its start and its end."""
    original: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(original)
    def counted(*arguments: Any, **keywords: Any) -> Any:
        for operations in OPERATIONS:
            operations.step()
        result = original(*arguments, **keywords)
        for operations in OPERATIONS:
            operations.step()
        return result

    setattr(owner, name, counted)


def on_a_small_disk(project: Path, room: int) -> None:
    """Go on in a copy of the project on a disk of its own with so many bytes free; what is there at the end is copied back.

    The process forks: this one waits for the other, which returns from here. It ends with NO_MOUNT where the system lets
    nobody mount a file system.
    """
    small = project.parent / "small"
    small.mkdir(exist_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)

    def mount(target: Path, kind: bytes, flags: int, options: bytes) -> None:
        if libc.mount(b"none", os.fsencode(target), kind, flags, options):
            sys.exit(NO_MOUNT)

    if libc.unshare(CLONE_NEWNS if os.geteuid() == 0 else CLONE_NEWUSER | CLONE_NEWNS):
        sys.exit(NO_MOUNT)
    mount(Path("/"), b"", MS_REC | MS_PRIVATE, b"")
    mount(small, b"tmpfs", 0, b"size=2g")
    copy = small / project.name
    shutil.copytree(project, copy, symlinks=True)
    held = os.statvfs(small)
    mount(small, b"tmpfs", MS_REMOUNT, b"size=%d" % ((held.f_blocks - held.f_bfree) * held.f_frsize + room))
    child = os.fork()
    if not child:
        os.chdir(copy)
        return
    _, status = os.waitpid(child, 0)
    os.chdir("/")
    shutil.rmtree(project)
    shutil.copytree(copy, project, symlinks=True)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)
