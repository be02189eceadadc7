"""Content hashes, by which the same text or the same speech is found again under another name."""

import hashlib
import unicodedata

import numpy as np

from erc_core.store.ragged import BLOCK_BYTES, RaggedReader, block_ranges

DIGEST_BYTES = 16  # two of a million utterances are alike by chance with a probability of 1e-27


def normalize_text(text: str) -> str:
    """Return a text as it is compared: compatibility forms composed, case folded, white space as single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def text_hash(text: str | None) -> str | None:
    """Return the hash of the normalised text; None where nothing is said."""
    normal = normalize_text(text or "")
    return _digest(normal.encode("utf-8", "surrogatepass")) if normal else None


def audio_hashes(audio: RaggedReader, block_bytes: int = BLOCK_BYTES) -> list[str | None]:
    """Return the hash of each utterance's samples, None where there are none, reading about block_bytes at a time."""
    per_block = max(1, block_bytes // (audio.dtype.itemsize * audio.width))
    return [
        _digest(np.ascontiguousarray(samples).data) if len(samples) else None
        for start, stop in block_ranges(audio.offsets, per_block)
        for samples in audio.read_range(start, stop)
    ]


def _digest(content: bytes | memoryview) -> str:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).hexdigest()
