"""Mending of texts that went through the wrong character set, without losing a character that means something.

Old Windows files hold cp1252: byte 0x92 is the apostrophe of don't. `decode` keeps such a byte as a surrogate. Read as Latin-1
and saved as UTF-8 by an earlier program, it is the control character U+0092, which is invisible, so that readers who drop what
is not ASCII turn don't into dont. `mend` takes both for the character that was meant.
"""

import codecs
import re
from dataclasses import dataclass

from erc_core.errors import ErcError

LONG_TEXT = 2000  # characters; about four times what an encoder of 128 tokens sees, so no utterance
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UNDECODED = "surrogateescape"  # how bytes that are not UTF-8 are decoded: byte 0x92 becomes U+DC92

Rule = tuple[str, str, str]  # kind, detail and action of a DataIssue

_CP1252 = {code: bytes([code]).decode("cp1252", errors="ignore") for code in range(0x80, 0x100)}
# cp1252 has no character for 0x81, 0x8D, 0x8F, 0x90 and 0x9D: these are control characters
_MEANT = {0xDC00 + code: sign for code, sign in _CP1252.items() if sign}
_MEANT |= {code: sign for code, sign in _CP1252.items() if sign and code < 0xA0}
_DAMAGED = re.compile(f"[{''.join(map(chr, _MEANT))}]")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\udc80-\udcff]+")


@dataclass(frozen=True)
class Mended:
    """A text after its repair."""

    text: str  # without control characters
    damaged: str  # the characters that were read as cp1252, as they were
    controls: str  # the control characters, line breaks among them, whose runs became one space each


def decode(content: bytes, source: str) -> str:
    """Decode UTF-8, with or without byte order mark; other bytes stay surrogates for `mend`. UTF-16 is an ErcError."""
    if content.startswith(UTF16_MARKS):
        raise ErcError(f"{source}: is UTF-16; save it as CSV in UTF-8")
    return content.removeprefix(codecs.BOM_UTF8).decode("utf-8", UNDECODED)


def mend(text: str, *, strip: bool = False) -> Mended:
    """Read as cp1252 what was cp1252, strip white space if wanted, then put a space for each run of control characters."""
    damaged = "".join(_DAMAGED.findall(text))
    text = text.translate(_MEANT) if damaged else text
    text = text.strip() if strip else text
    controls = "".join(_CONTROLS.findall(text))
    text = _CONTROLS.sub(" ", text) if controls else text
    return Mended(text.strip() if strip else text, damaged, controls)


def repairs(*texts: Mended) -> list[Rule]:
    """Return the rules that were applied to some texts, each once for all of them."""
    rules = []
    if damaged := "".join(text.damaged for text in texts):
        codes = ", ".join(f"0x{ord(sign) & 0xFF:02x}" for sign in dict.fromkeys(damaged[:8]))
        rules.append(("damaged_encoding", f"{len(damaged):,} damaged characters ({codes})", "read as Windows-1252"))
    if controls := "".join(text.controls for text in texts):
        # a byte that is nothing in cp1252 is named as the control character that it is in Latin-1
        codes = ", ".join(f"U+{ord(sign) % 0xDC00:04X}" for sign in dict.fromkeys(controls[:8]))
        detail = f"{len(controls):,} line breaks or control characters ({codes})"
        rules.append(("control_characters", detail, "read as a space"))
    return rules


def long_text(text: str) -> list[Rule]:
    """Return the rule for a text that is too long to be an utterance; nothing for any other."""
    return [("long_text", f"{len(text):,} characters", "kept; text.max_tokens cuts it")] * (len(text) > LONG_TEXT)
