"""Text from corpora, made fit for one line of a page or a figure."""

import re

_SPACES = re.compile(r"\s+")
# control characters; directional overrides, which would reorder the text around them; halves of surrogate pairs
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def clean(text: str) -> str:
    """Return a text on one line: white space as single spaces, a replacement character for whatever cannot be shown."""
    return _UNPRINTABLE.sub(REPLACEMENT, _SPACES.sub(" ", text))


def shorten(text: str, width: int) -> str:
    """Return a cleaned text of at most `width` characters, an ellipsis included where it was cut."""
    text = clean(text).strip()
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"
