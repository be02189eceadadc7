"""Mending of texts that went through the wrong character set, without losing a character that means something.

Old Windows files hold cp1252: byte 0x92 is the apostrophe of don't. Read as Latin-1 and saved as UTF-8 it becomes the control
character U+0092, which is invisible, so readers that drop what is not ASCII turn don't into dont.
"""

import codecs
import re
from dataclasses import dataclass

from erc_core.errors import ErcError

LONG_TEXT = 2000  # characters; about four times what an encoder of 128 tokens sees, so no utterance
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_LINE_ENDS = re.compile(rb"(?<=\n)|(?<=\r)(?!\n)")
_C1 = re.compile("[\x80-\x9f]")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]+")
# cp1252 has no character for 0x81, 0x8D, 0x8F, 0x90 and 0x9D: these stay what they are, control characters
_CP1252 = {code: bytes([code]).decode("cp1252", errors="ignore") or chr(code) for code in range(0x80, 0x100)}


@dataclass(frozen=True)
class Mended:
    """A text after its repair.

    Attributes:
        text: Without control characters.
        decoded: Number of C1 control characters that were read as cp1252.
        blanked: Number of control characters, line breaks among them, whose runs became one space each.
    """

    text: str
    decoded: int
    blanked: int


def long_text(text: str) -> list[tuple[str, str, str]]:
    """Return (kind, detail, action) of the rule for a text that is too long to be an utterance; nothing for any other."""
    return [("long_text", f"{len(text):,} characters", "kept; text.max_tokens cuts it")] * (len(text) > LONG_TEXT)


def mend(text: str) -> Mended:
    """Read C1 control characters as the cp1252 that they were, then put a space for each run of other control characters."""
    decoded = _C1.sub(lambda found: _CP1252[ord(found.group())], text)
    remaining = sum(map(len, _CONTROLS.findall(decoded)))
    c1 = len(_C1.findall(text)) - len(_C1.findall(decoded))
    return Mended(_CONTROLS.sub(" ", decoded) if remaining else decoded, c1, remaining)


def decode(content: bytes, source: str) -> tuple[str, list[int]]:
    """Decode a text file as UTF-8, with or without byte order mark, and lines that are no UTF-8 as cp1252.

    Args:
        content: The file's bytes.
        source: The file, for messages.

    Returns:
        The text, line breaks as they are, and the numbers (from 1) of the lines that were read as cp1252.

    Raises:
        ErcError: The file is UTF-16.
    """
    if content.startswith(UTF16_MARKS):
        raise ErcError(f"{source}: is UTF-16; save it as CSV in UTF-8")
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        pass
    lines: list[str] = []
    old: list[int] = []
    for number, line in enumerate(_LINE_ENDS.split(content.removeprefix(codecs.BOM_UTF8)), start=1):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            lines.append("".join(_CP1252.get(byte, chr(byte)) for byte in line))
            old.append(number)
    return "".join(lines), old
