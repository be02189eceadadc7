"""One HDF5 file for one kind of feature of a whole corpus: frames of all utterances end to end, and where each starts.

    /frames     (total, D) or (total,)   the frames of all utterances, one after another, contiguous
    /offsets    (n + 1,) int64           utterance i owns frames[offsets[i]:offsets[i + 1]]
    /ids        (n,) UTF-8               utterance ids, in the order of utterances.parquet
    /checksums  (n, 16) uint8            XXH3-128 of each utterance's frames

The layout reads three times as fast as one dataset per utterance, and as small as the numbers allow. Nothing in the file
depends on the time, the machine or the path, so the same input gives the same bytes. The attribute `checksum` covers all but the
frames, and is verified when the file is opened; frames are verified whenever they are read. The attribute `params` says with
which parameters the frames were made. Here is the reader, with all that it refuses; ragged_writer writes.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
import xxhash
from numpy.typing import DTypeLike, NDArray

from erc_core.errors import ErcError, damaged
from erc_core.store.checksums import CHECKSUM, WRONG

FORMAT = "erc-ragged"
FORMAT_VERSION = 2
DATASETS = ("checksums", "frames", "ids", "offsets")
PARAMS = "params"
BLOCK_BYTES = 32 * 2**20


class RaggedReader:
    """Read a ragged file: by utterance, by range, or whole. Open one per process, and close it."""

    def __init__(self, path: Path) -> None:
        """Open the file and read its index, not its frames.

        Raises:
            ErcError: The file is missing, damaged, or of another format.
        """
        self.path = path
        try:
            self._file = h5py.File(path, "r")
        except FileNotFoundError:
            raise ErcError(f"{path}: not found; `dvc repro` makes it") from None
        except OSError as error:
            reason = " ".join(str(error).split())
            raise damaged(path, f"damaged or not HDF5 ({reason})") from None
        try:
            self._read_index()
        except (KeyError, ValueError, TypeError, OSError, RuntimeError) as error:
            self._file.close()
            reason = " ".join(str(error).split())
            raise damaged(path, f"damaged, or not a feature file of this project ({reason})") from None

    def _read_index(self) -> None:
        for name in self._file.attrs:
            if self._file.attrs.get_id(name).dtype.hasobject:
                raise ValueError(f"attribute {name} is of variable length")
        attributes = self.attributes
        name, number = attributes.get("format"), attributes.get("format_version")
        if (name, number) != (FORMAT, FORMAT_VERSION):
            raise ValueError(f"format {name} version {number}, expected {FORMAT} version {FORMAT_VERSION}")
        for name in DATASETS:
            _require_inside(self._file, name, self.path.stat().st_size)
        self._frames: h5py.Dataset = self._file["frames"]
        self.checksums: NDArray[np.uint8] = self._file["checksums"][:]
        self.offsets: NDArray[np.int64] = self._file["offsets"][:]
        self.ids: list[str] = [value.decode() for value in self._file["ids"][:]]
        edges = len(self.offsets) == len(self.ids) + 1 and (self.offsets[0], self.offsets[-1]) == (0, len(self._frames))
        if not edges or (np.diff(self.offsets) < 0).any() or self.checksums.shape != (len(self.ids), 16):
            raise ValueError("offsets, ids, checksums and frames do not fit together")
        if attributes.get(CHECKSUM) != index_checksum(self._file):
            raise ValueError(WRONG)

    @property
    def attributes(self) -> dict[str, Any]:
        """What the numbers are: sample rate, encoder and layer, parameters."""
        return {name: value.decode() if isinstance(value, bytes) else value for name, value in self._file.attrs.items()}

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) frames of each utterance; 0 where it has none."""
        return np.diff(self.offsets)

    @property
    def frame_count(self) -> int:
        """Frames of all utterances."""
        return int(self._frames.shape[0])

    @property
    def nbytes(self) -> int:
        """Size of all frames in memory, bytes."""
        return int(self._frames.size) * int(self._frames.dtype.itemsize)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a frame's values."""
        dtype: np.dtype[Any] = self._frames.dtype
        return dtype

    @property
    def width(self) -> int:
        """D, values per frame; 1 where a frame is a single value."""
        return int(self._frames.shape[1]) if self._frames.ndim > 1 else 1

    @property
    def trailing(self) -> tuple[int, ...]:
        """Shape of one frame: (D,), or () where a frame is a single value."""
        return tuple(map(int, self._frames.shape[1:]))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Return the frames of one utterance, (length, D) or (length,)."""
        if not 0 <= index < len(self.ids):
            raise IndexError(index)
        return self.read_range(index, index + 1)[0]

    def read_range(self, start: int, stop: int) -> list[NDArray[Any]]:
        """Return the frames of utterances start to stop - 1, read in one go.

        Raises:
            ErcError: They are damaged.
        """
        if start == stop:
            return []
        block = self._read_block(start, stop)
        inner = self.offsets[start + 1 : stop] - self.offsets[start]
        return np.split(block, inner)

    def _read_block(self, start: int, stop: int) -> NDArray[Any]:
        try:
            block: NDArray[Any] = self._frames[self.offsets[start] : self.offsets[stop]]
        except OSError as error:
            raise damaged(self.path, f"damaged ({' '.join(str(error).split())})") from None
        self._verify(block, start, stop)
        return block

    def _verify(self, block: NDArray[Any], start: int, stop: int) -> None:
        edges = (self.offsets[start : stop + 1] - self.offsets[start]).tolist()
        content = [xxhash.xxh3_128_digest(block[edges[i] : edges[i + 1]].data) for i in range(stop - start)]
        if b"".join(content) != self.checksums[start:stop].tobytes():
            raise damaged(self.path, f"damaged ({WRONG})")

    def read_into(self, frames: NDArray[Any]) -> None:
        """Read all into frames, (total, D) or (total,), of the file's type and C-contiguous; cut them with `offsets`.

        Raises:
            ErcError: They are damaged.
            ValueError: `frames` has another shape or type.
        """
        if frames.shape != self._frames.shape or frames.dtype != self.dtype:
            raise ValueError(
                f"{self.path}: frames of {self.dtype} {self._frames.shape} into {frames.dtype} {frames.shape}"
            )
        if len(frames):
            self._frames.read_direct(frames)
        self._verify(frames, 0, len(self))

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield all frames in blocks of whole utterances and some megabytes, for files larger than memory.

        Raises:
            ErcError: They are damaged.
        """
        for start, stop in block_ranges(self.offsets, block_frames(self.dtype, self.trailing)):
            yield self._read_block(start, stop)

    def shards(self, size: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of utterances of at most `size`, covering all."""
        for start in range(0, len(self.ids), size):
            yield start, min(start + size, len(self.ids))

    def require_ids(self, ids: Sequence[str], source: str) -> None:
        """Refuse a file that was made for other utterances.

        Raises:
            ErcError: The ids or their order differ from those given.
        """
        if self.ids != list(ids):
            raise ErcError(f"{self.path}: its utterances are not those of {source}; run `dvc repro`")

    def require_params(self, expected: Mapping[str, Mapping[str, Any]], source: str = "params.yaml") -> None:
        """Refuse a file that was made with other parameters than those given, by section; others may be in the file.

        Raises:
            ErcError: Names the first that differs, with both values.
        """
        made = self.params
        for section, values in expected.items():
            of_file = made.get(section, {})
            for key in [*values, *(name for name in of_file if name not in values)]:
                if (of_file.get(key), key in of_file) != (values.get(key), key in values):
                    raise ErcError(
                        f"{self.path}: made with {section}.{key} = {of_file.get(key)!r}, but {source} says "
                        f"{values.get(key)!r}; run `dvc repro`"
                    )

    def require_frames(self, dtype: DTypeLike, dimensions: int) -> None:
        """Refuse frames of another type, byte order or number of dimensions: 1 for rows, 0 for single values.

        Raises:
            ErcError: Names what the file holds.
        """
        expected = np.dtype(dtype)
        if (self.dtype, len(self.trailing)) != (expected, dimensions):
            kind = "rows" if dimensions else "single values"
            raise damaged(self.path, f"holds {self.dtype} {self.trailing}, not {kind} of {expected}")

    def number(self, name: str) -> int:
        """Return an attribute that is a whole number.

        Raises:
            ErcError: The file has none of this name.
        """
        try:
            return int(self.attributes[name])
        except (KeyError, TypeError, ValueError):
            raise damaged(self.path, f"lacks its number {name!r}") from None

    def word(self, name: str) -> str:
        """Return an attribute that is a text.

        Raises:
            ErcError: The file has none of this name.
        """
        word = self.attributes.get(name)
        if not isinstance(word, str):
            raise damaged(self.path, f"lacks its {name!r}")
        return word

    @property
    def params(self) -> dict[str, dict[str, Any]]:
        """The parameters that the frames were made with, by section."""
        params: dict[str, dict[str, Any]] = json.loads(self.attributes.get(PARAMS, "{}"))
        return params

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def block_ranges(offsets: NDArray[np.int64], frames: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of utterances that cover the (n + 1) offsets, each of at most so many frames or a single utterance."""
    start, n = 0, len(offsets) - 1
    while start < n:
        stop = int(np.searchsorted(offsets, offsets[start] + frames, side="right")) - 1
        stop = max(stop, start + 1)
        yield start, stop
        start = stop


def _require_inside(file: h5py.File, name: str, size: int) -> None:
    """Refuse data that is not in the file itself: behind a link, in another file, or promised without being there."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink) or not isinstance(file[name], h5py.Dataset):
        raise TypeError(f"{name} is no dataset of this file")
    properties = file[name].id.get_create_plist()
    if properties.get_layout() != h5py.h5d.CONTIGUOUS or properties.get_external_count():
        raise ValueError(f"{name} is not stored in one piece in this file")
    if file[name].nbytes > size:
        raise ValueError(f"{name} is larger than the file")
    if file[name].dtype.hasobject:
        raise ValueError(f"{name} is of variable length")


def index_checksum(file: h5py.File) -> str:
    """Return the checksum of all that is in the file but frames: they have one each, which are among it."""
    content = xxhash.xxh3_128(f"{file['frames'].dtype.str} {file['frames'].shape}".encode())
    values = {name: file.attrs[name] for name in sorted(file.attrs) if name != CHECKSUM}
    values |= {name: file[name][:] for name in DATASETS if name != "frames"}
    for name, value in values.items():
        array = np.asarray(value)
        content.update(f" {name} {array.dtype.str} {array.shape} ".encode())
        content.update(array.tobytes())
    return content.hexdigest()


def block_frames(dtype: np.dtype[Any], trailing: tuple[int, ...]) -> int:
    """Return how many frames of a type and shape are a block of BLOCK_BYTES."""
    return max(1, BLOCK_BYTES // (dtype.itemsize * int(np.prod(trailing, dtype=np.int64))))
