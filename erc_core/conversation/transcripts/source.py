"""A file as text, whatever its encoding, before anybody knows its format."""

import codecs
from dataclasses import dataclass
from pathlib import Path

from erc_core.corpora.csv_rows import read_bytes
from erc_core.corpora.text_repair import UTF16_MARKS, decode
from erc_core.errors import ErcError

LARGEST_BYTES = 64 * 2**20  # some days of speech, with a time for each word
HEAD_BYTES = 4096


@dataclass(frozen=True)
class Source:
    """A text file."""

    path: Path
    content: bytes
    text: str  # without byte order mark; bytes that are not UTF-8 are surrogates, which `mend` reads as Windows-1252
    lines: list[str]  # split at LF, CRLF and CR alone

    def error(self, problem: str, place: str = "") -> ErcError:
        """Return the error of this file; place is a line, a segment and the like."""
        return ErcError(f"{self.path}: {place}{': ' if place else ''}{problem}")

    def line_at(self, position: int) -> str:
        """Return the place of a character, such as `line 7`."""
        breaks = [self.text.count(sign, 0, position) for sign in ("\n", "\r", "\r\n")]
        return f"line {breaks[0] + breaks[1] - breaks[2] + 1}"


def read_source(path: Path) -> Source:
    """Read UTF-8, UTF-16 (with its mark) or Windows-1252.

    Raises:
        ErcError: The file cannot be read, is empty, binary or far too large.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise ErcError(f"{path}: not readable: {error.strerror}") from None
    utf16 = head.startswith(UTF16_MARKS)
    if b"\0" in head and not utf16:
        raise ErcError(f"{path}: is no text (it may be sound or video): give the transcript, a text file")
    if size > LARGEST_BYTES:
        raise ErcError(f"{path}: {size / 2**20:,.0f} MiB are no transcript; at most {LARGEST_BYTES // 2**20} are read")
    content = read_bytes(path)
    try:
        text = content.decode("utf-16") if utf16 else decode(content, str(path))
    except UnicodeDecodeError as error:
        remedy = "save it as UTF-8, or let the tool write it again"
        raise ErcError(f"{path}: byte {error.start + 1:,}: no whole UTF-16; {remedy}") from None
    if not text.strip():
        raise ErcError(f"{path}: is empty; let the tool write it again")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Source(path, content, text.removeprefix(codecs.BOM_UTF8.decode()), lines)
