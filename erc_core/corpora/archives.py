"""Unpacking of tar archives that come from elsewhere: only wanted files, only below the target, and only whole archives.

An archive is read as a stream, once. One inside another is unpacked from the outer one's stream without being stored. Nothing
that a header says is believed: names are checked, links and devices are skipped, and the bytes that come out are counted.
"""

import gzip
import io
import math
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from erc_core.errors import ErcError
from erc_core.run.full_disk import says_full_disk
from erc_core.run.progress import progress
from erc_core.store.ingest import DataIssue

GZIP_MAGIC = b"\x1f\x8b"
CHUNK = 1 << 20
MAX_MEMBERS = 1_000_000  # of all archives; MELD has some 14,000
MAX_HEADER_BYTES = 1 << 20  # of a long name or of pax records, which tarfile holds in memory
MAX_NAME_BYTES = 255  # of one part of a path, on common file systems
MAX_PARTS = 16
HEADERS_WITH_CONTENT = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
)  # fmt: skip
DAMAGES = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, OverflowError)


class _DamagedError(Exception):
    """The archive is not whole; the message says how that shows."""


class _Member(tarfile.TarInfo):
    """A header that is refused before it makes tarfile hold much in memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        member = super().frombuf(buf, encoding, errors)
        if member.size < 0 or (member.type in HEADERS_WITH_CONTENT and member.size > MAX_HEADER_BYTES):
            raise _DamagedError(f"a header says that its content has {member.size:,} bytes")
        return member

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> "_Member":
        try:
            return super().fromtarfile(tarfile)
        except Exception as error:
            if isinstance(tarfile, _Archive):
                tarfile.ended_by = type(error).__name__
            raise


class _Archive(tarfile.TarFile):
    """A tar archive that tells how its list of members ended: tarfile takes a damaged header for the end."""

    tarinfo = _Member
    ended_by = ""


class _Metered(io.RawIOBase):
    """A stream that reports how many bytes were read from it."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, report: Callable[[int], object]) -> None:
        self.stream = stream
        self.report = report

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self.stream.read(len(buffer))
        buffer[: len(content)] = content
        self.report(len(content))
        return len(content)


@dataclass
class Unpacker:
    """Unpacks archives into one folder, within one bound for all of them."""

    target: Path  # an existing, empty folder
    wanted: Callable[[str], bool]  # file name -> whether such a file is unpacked
    inner: Callable[[str], str | None]  # file name -> folder for what this archive in it holds; None for no archive
    max_bytes: float  # of all archives together; what is skipped counts as well: it has to be decompressed
    bound: str  # the parameter that max_bytes comes from, for messages
    read: int = 0  # bytes that came out so far
    members: int = 0
    files: int = 0  # number of those written
    size: int = 0  # their bytes
    issues: list[DataIssue] = field(default_factory=list)  # members that were refused

    def unpack(self, archive: Path, folder: str = "") -> None:
        """Unpack the wanted files of a tar archive, plain or compressed by gzip, to a folder of the target.

        ErcError where it is truncated or damaged, unpacks to more than the bound, or cannot be read or written.
        """
        try:
            with archive.open("rb") as file:
                n_chunks = math.ceil(archive.stat().st_size / CHUNK)
                with progress(range(n_chunks), total=n_chunks, desc=f"unpack {archive.name}", unit="MiB") as shown:
                    metered = _Metered(file, lambda _: next(shown, None))
                    self._unpack_stream(metered, str(archive), folder, is_outer=True)
        except OSError as error:
            full = "disk full: " if says_full_disk(error) else ""
            raise ErcError(f"{full}{archive}: not unpacked to {self.target}: {error.strerror or error}") from None

    def _count(self, n_bytes: int) -> None:
        self.read += n_bytes
        if self.read > self.max_bytes:
            raise ErcError(
                f"unpacks to more than {self.bound} ({self.max_bytes / 1e9:g} GB): raise it if the archive is to be trusted"
            )

    def _unpack_stream(self, raw: io.RawIOBase, source: str, folder: str, *, is_outer: bool) -> None:
        stream = io.BufferedReader(raw, CHUNK)
        compressed = stream.peek(2)[:2] == GZIP_MAGIC
        with ExitStack() as stack:
            plain = stack.enter_context(gzip.GzipFile(fileobj=stream, mode="rb")) if compressed else stream
            metered = _Metered(plain, self._count)
            try:
                archive = stack.enter_context(_Archive.open(fileobj=metered, mode="r|", errors="surrogateescape"))
                for member in _members(archive):
                    self._take(archive, member, source, folder, is_outer=is_outer)
                while metered.read(CHUNK):  # to the end, where gzip compares its checksum
                    pass
                _check_end(archive, compressed)
            except ErcError as error:
                message = str(error)
                raise ErcError(message if message.startswith(source) else f"{source}: {message}") from None
            except (_DamagedError, *DAMAGES) as error:
                reason = " ".join(str(error).split())[:200]
                raise ErcError(
                    f"{source}: truncated or damaged ({reason}); get the archive again. Nothing of it was kept"
                ) from None

    def _take(self, archive: _Archive, member: tarfile.TarInfo, source: str, folder: str, *, is_outer: bool) -> None:
        self.members += 1
        if self.members > MAX_MEMBERS:
            raise ErcError(f"has more than {MAX_MEMBERS:,} members")
        reason, parts = _judge(member, self.target)
        if reason:
            self._refuse(source, member, reason)
            return
        if member.isdir() or not parts or any(part.startswith(".") for part in parts):
            return
        inner_folder = self.inner(parts[-1]) if is_outer else None
        content = archive.extractfile(member) if inner_folder is not None or self.wanted(parts[-1]) else None
        if content is None:
            return
        with content:
            if inner_folder is None:
                self._write(content, member, source, self.target.joinpath(folder, *parts))
            else:  # its own bytes are not what it unpacks to
                raw = _Metered(content, lambda n_bytes: self._count(-n_bytes))
                self._unpack_stream(raw, f"{source}: {parts[-1]}", inner_folder, is_outer=False)

    def _write(self, content: IO[bytes], member: tarfile.TarInfo, source: str, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("xb")  # never over something, never through a link
        except (FileExistsError, NotADirectoryError):
            self._refuse(source, member, "a file of that name came before", kind="repeated_member")
            return
        with file:
            while chunk := content.read(CHUNK):
                file.write(chunk)
                self.size += len(chunk)
        self.files += 1

    def _refuse(self, source: str, member: tarfile.TarInfo, reason: str, kind: str = "unsafe_member") -> None:
        name = member.name if member.name.isprintable() else ascii(member.name)
        self.issues.append(DataIssue(f"{Path(source).name}: {name[:200]}", kind, reason, "not unpacked"))


def _check_end(archive: _Archive, compressed: bool) -> None:
    """Raise where the members ended at anything but the end mark, or, below an intact checksum, the end of the file."""
    if archive.ended_by != "EOFHeaderError" and not (compressed and archive.ended_by == "EmptyHeaderError"):
        raise _DamagedError("the end mark is missing")


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Iterate without the list of all members that tarfile keeps."""
    while (member := archive.next()) is not None:
        archive.members.clear()  # type: ignore[attr-defined]
        yield member


def _judge(member: tarfile.TarInfo, target: Path) -> tuple[str, list[str]]:
    """Return why a member is refused (empty if it is not), and the parts of its path."""
    name = member.name
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not (member.isreg() or member.isdir()):
        kind = "symbolic link" if member.issym() else "hard link" if member.islnk() else "device or other special file"
        return kind, parts
    if member.issparse():
        return "sparse file", parts
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return "absolute path", parts
    if ".." in parts:
        return "path leaves its folder", parts
    if "\\" in name or not name.isprintable():
        return "name with characters that no clip's name has", parts
    if len(parts) > MAX_PARTS or any(len(part.encode()) > MAX_NAME_BYTES for part in parts):
        return "name too long", parts
    # not tarfile's own filter, which Python has since 3.11.4: Debian 12 has 3.11.2
    if not target.joinpath(*parts).resolve().is_relative_to(target.resolve()):
        return "path leaves its folder by a link", parts
    return "", parts
