"""A full disk in one line, whichever library met it."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from erc_core.errors import ErcError
from erc_core.run.scratch import scratch_folder

FULL = (errno.ENOSPC, errno.EDQUOT)
WORDS = ("No space left on device", "Disk quota exceeded")  # where a library has made a text of the error number
PROBE_BYTES = 2**18


class DiskFullError(ErcError):
    """A disk, or the quota of its user, has no room left."""

    def __init__(self, path: Path | str) -> None:
        """Name what was being written."""
        super().__init__(f"disk full: {path}")
        self.path = path

    def __reduce__(self) -> tuple[type["DiskFullError"], tuple[Path | str]]:
        return type(self), (self.path,)


@contextmanager
def telling_full_disk(target: Path, partial: Path | None = None) -> Iterator[None]:
    """Turn what the block raises into one line, where it is that the disk of the target is full.

    `partial` is the folder that becomes the target: what is in it is called by the name that it will have.

    Raises:
        DiskFullError: It is.
    """
    try:
        yield
    except DiskFullError as error:
        if partial is None or partial not in Path(error.path).parents:
            raise
        raise DiskFullError(target / Path(error.path).relative_to(partial)) from None
    except Exception as error:
        if isinstance(error, ErcError) or not (says_full_disk(error) or _hides_full_disk(error, target.parent)):
            raise
        raise DiskFullError(target) from None


def says_full_disk(error: BaseException | None) -> bool:
    """Return whether an error, or what it came from, says that a disk is full."""
    while error is not None:
        if (isinstance(error, OSError) and error.errno in FULL) or any(words in str(error) for words in WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False


def full_folder(error: BaseException) -> Path | str:
    """Return what an error that says a full disk was about, in words for a message."""
    name = getattr(error, "filename", None)
    if isinstance(name, (str, bytes)):
        return Path(name.decode(errors="backslashreplace") if isinstance(name, bytes) else name)
    folders = [Path.cwd(), scratch_folder(""), Path("/dev/shm")]
    with suppress(OSError):  # there is none where it can write
        folders.append(Path(tempfile.gettempdir()))
    return next((folder for folder in folders if is_full(folder)), "a folder that this stage writes to")


def is_full(folder: Path) -> bool:
    """Return whether a folder takes no more bytes. It is tried: the free space of a disk tells nothing of a quota."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(PROBE_BYTES))
    except OSError as error:
        return error.errno in FULL
    return False


def _hides_full_disk(error: Exception, folder: Path) -> bool:
    # torch and libsndfile say RuntimeError and no reason, numpy and HDF5 an OSError without a number, tokenizers Exception
    from_library = type(error) is Exception or type(error).__module__ != "builtins"
    return (from_library or isinstance(error, (OSError, RuntimeError))) and is_full(folder)
