"""Whether a file ends where its own structure says it ends, for containers that decoders read to any end without a word."""

from pathlib import Path

EBML_HEADER, SEGMENT = (
    b"\x1a\x45\xdf\xa3",
    b"\x18\x53\x80\x67",
)  # Matroska and WebM: the first element, and the one with all
OGG_PAGE, OGG_HEADER, OGG_PAGE_MOST = b"OggS", 27, 27 + 255 + 255 * 255  # bytes
OGG_LAST = 4  # flag of a stream's last page
ID3_HEADER = 10  # bytes
MP3_TAGS = (b"Xing", b"Info", b"VBRI")  # in the first frame of an mp3, with the number of its frames


def cut_off(path: Path) -> str:
    """Return in words what is lacking at the end of an Ogg, Matroska, WebM or RIFF file; empty for a whole one, and for others."""
    held = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(64)
        if head.startswith(OGG_PAGE):
            file.seek(max(0, held - 2 * OGG_PAGE_MOST))
            return "" if _ends_an_ogg(file.read()) else "its last Ogg page is not the end of the stream"
    promised = 8 + int.from_bytes(head[4:8], "little") if head.startswith(b"RIFF") else _matroska_bytes(head)
    return f"the header promises {promised:,} bytes, the file holds {held:,}" if promised > held else ""


def states_length(path: Path) -> bool:
    """Return whether an mp3 says how long it is; otherwise its length is guessed from its first frames."""
    with path.open("rb") as file:
        head = file.read(ID3_HEADER)
        if head.startswith(b"ID3"):
            size = 0
            for byte in head[6:10]:
                size = size << 7 | byte & 0x7F
            file.seek(ID3_HEADER + size)
        frame = head + file.read(200)
    return any(tag in frame for tag in MP3_TAGS)


def _ends_an_ogg(tail: bytes) -> bool:
    start = tail.rfind(OGG_PAGE)
    page = tail[start:]
    if start < 0 or len(page) < OGG_HEADER:
        return False
    segments = page[OGG_HEADER : OGG_HEADER + page[26]]
    return bool(page[5] & OGG_LAST) and len(page) >= OGG_HEADER + page[26] + sum(segments)


def _matroska_bytes(head: bytes) -> int:
    """Return the size that a Matroska file says it has; 0 where it says none, as a stream does, and for other files."""
    if not head.startswith(EBML_HEADER):
        return 0
    width, size = _variable_integer(head, 4)
    start = 4 + width + size
    if head[start : start + 4] != SEGMENT:
        return 0
    width, size = _variable_integer(head, start + 4)
    unknown = size == 2 ** (7 * width) - 1
    return 0 if unknown else start + 4 + width + size


def _variable_integer(head: bytes, at: int) -> tuple[int, int]:
    """Return the bytes that an EBML size takes, and its value (RFC 8794, section 4)."""
    first = head[at] if at < len(head) else 0
    width = 9 - first.bit_length()
    return width, int.from_bytes(head[at : at + width], "big") & (2 ** (7 * width) - 1)
