"""One HDF5 file for one kind of feature of a whole corpus: frames of all utterances end to end, and where each starts.

    /frames     (total, D) or (total,)   the frames of all utterances, one after another, contiguous
    /offsets    (n + 1,) int64           utterance i owns frames[offsets[i]:offsets[i + 1]]
    /ids        (n,) UTF-8               utterance ids, in the order of utterances.parquet
    /checksums  (n, 16) uint8            XXH3-128 of each utterance's frames

The layout reads three times as fast as one dataset per utterance, and as small as the numbers allow. Nothing in the file
depends on the time, the machine or the path, so the same input gives the same bytes. The attribute `checksum` covers all but the
frames, and is verified when the file is opened; frames are verified whenever they are read. The attribute `params` says with
which parameters the frames were made.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
import xxhash
from numpy.typing import DTypeLike, NDArray

from erc_core.errors import ErcError, damaged
from erc_core.run.atomic import atomic_file, scratch_beside
from erc_core.run.full_disk import telling_full_disk
from erc_core.store.checksums import CHECKSUM, WRONG

FORMAT = "erc-ragged"
FORMAT_VERSION = 2
DATASETS = ("checksums", "frames", "ids", "offsets")
PARAMS = "params"
BLOCK_BYTES = 32 * 2**20
OVERHEAD_BYTES = 2**15  # of HDF5 and of the attributes

Attribute = str | int | float | NDArray[Any]


class RaggedWriter:
    """Append utterances, then close: the file appears under its name only when it is complete and checked.

    Frames are spooled to a raw file beside the target, so memory stays flat and nothing about the total has to be known
    beforehand; closing lays them out contiguously. Use as a context manager; after an error nothing is left behind.
    """

    def __init__(self, path: Path, *, dtype: DTypeLike, width: int | None, attributes: Mapping[str, Attribute]) -> None:
        """Open the spool.

        `width` is D, the values per frame; None where a frame is a single value (audio samples, token ids). `attributes` say
        what the numbers are: sample rate, encoder and layer, parameters. No dates, no paths.
        """
        self.path = path
        self.dtype = np.dtype(dtype)
        self.trailing = () if width is None else (width,)
        self.attributes: dict[str, Attribute] = dict(attributes)
        self._ids: list[str] = []
        self._lengths: list[int] = []
        self._checksums: list[bytes] = []
        with telling_full_disk(path):
            self._spool_path = scratch_beside(path, "spool")
            self._partial_path = scratch_beside(path, "partial")
            self._spool = self._spool_path.open("wb")

    def append(self, utterance_id: str, frames: NDArray[Any]) -> None:
        """Add the next utterance: frames (length, D) or (length,), of length 0 where it has no such feature.

        Raises:
            ValueError: The shape is not that of the file.
            DiskFullError: The disk is full.
        """
        if frames.shape[1:] != self.trailing:
            raise ValueError(f"{utterance_id}: frames of shape {frames.shape} in a file of (length, *{self.trailing})")
        content = np.ascontiguousarray(frames, dtype=self.dtype)
        with telling_full_disk(self.path):
            self._spool.write(content.data)
        self._checksums.append(xxhash.xxh3_128_digest(content.data))
        self._ids.append(utterance_id)
        self._lengths.append(len(frames))

    def close(self) -> None:
        """Lay out the file, check it, and give it its name.

        Raises:
            ErcError: The disk has no room for it.
        """
        lengths = np.array(self._lengths, dtype=np.int64)
        checksums = np.frombuffer(b"".join(self._checksums), np.uint8).reshape(-1, 16)
        layout = self.dtype, self.trailing, self.attributes
        with telling_full_disk(self.path):
            self._spool.close()
            _require_room(self.path, self._spool_path.stat().st_size, self._ids)
            _lay_out(self._partial_path, *layout, self._ids, lengths, checksums, self._copy_spool)
            self._partial_path.replace(self.path)
        self._spool_path.unlink()

    def _copy_spool(self, frames: h5py.Dataset) -> None:
        step, values = _block_frames(self.dtype, self.trailing), int(np.prod(self.trailing, dtype=np.int64))
        with self._spool_path.open("rb") as spool:
            for start in range(0, frames.shape[0], step):
                block = np.fromfile(spool, dtype=self.dtype, count=min(step, frames.shape[0] - start) * values)
                frames[start : start + step] = block.reshape(-1, *self.trailing)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self._spool_path.unlink(missing_ok=True)
            self._partial_path.unlink(missing_ok=True)
            with suppress(OSError):  # on a full disk this raises again
                self._spool.close()


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
        if attributes.get(CHECKSUM) != _index_checksum(self._file):
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
        for start, stop in block_ranges(self.offsets, _block_frames(self.dtype, self.trailing)):
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


def merge_ragged(
    path: Path, parts: Sequence[Path], *, dtype: DTypeLike, width: int | None, attributes: Mapping[str, Attribute]
) -> None:
    """Join ragged files into one, with the bytes that one RaggedWriter would have written; memory stays flat.

    The parts are in the order of their utterances. They stay; their attributes are not taken.

    Raises:
        ErcError: A part is missing or damaged, or the disk has no room.
        ValueError: A part holds frames of another kind.
    """
    expected, trailing = np.dtype(dtype), () if width is None else (width,)
    ids: list[str] = []
    lengths, checksums = [np.zeros(0, np.int64)], [np.zeros((0, 16), np.uint8)]
    needed = 0
    for part in parts:
        with RaggedReader(part) as reader:
            if (reader.dtype, reader.trailing) != (expected, trailing):
                raise ValueError(f"{part}: frames of {reader.dtype} {reader.trailing} among {expected} {trailing}")
            ids += reader.ids
            lengths.append(reader.lengths)
            checksums.append(reader.checksums)
            needed += reader.nbytes
    _require_room(path, needed, ids)

    def copy(frames: h5py.Dataset) -> None:
        start = 0
        for part in parts:
            with RaggedReader(part) as reader:
                for block in reader.blocks():
                    frames[start : start + len(block)] = block
                    start += len(block)

    with atomic_file(path) as partial:
        layout = expected, trailing, attributes
        _lay_out(partial, *layout, ids, np.concatenate(lengths), np.concatenate(checksums), copy)


def params_attribute(sections: Mapping[str, Any]) -> dict[str, Attribute]:
    """Return the attribute that says which parameters, by section, decide the frames; those of speed alone are none."""
    return {PARAMS: json.dumps(sections, sort_keys=True)}


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


def _index_checksum(file: h5py.File) -> str:
    """Return the checksum of all that is in the file but frames: they have one each, which are among it."""
    content = xxhash.xxh3_128(f"{file['frames'].dtype.str} {file['frames'].shape}".encode())
    values = {name: file.attrs[name] for name in sorted(file.attrs) if name != CHECKSUM}
    values |= {name: file[name][:] for name in DATASETS if name != "frames"}
    for name, value in values.items():
        array = np.asarray(value)
        content.update(f" {name} {array.dtype.str} {array.shape} ".encode())
        content.update(array.tobytes())
    return content.hexdigest()


def _block_frames(dtype: np.dtype[Any], trailing: tuple[int, ...]) -> int:
    return max(1, BLOCK_BYTES // (dtype.itemsize * int(np.prod(trailing, dtype=np.int64))))


def _require_room(path: Path, frames: int, ids: Sequence[str]) -> None:
    index = len(ids) * (8 + 16 + max((len(utterance_id.encode()) for utterance_id in ids), default=0))
    needed = frames + index + OVERHEAD_BYTES
    # HDF5 ends the whole process where the disk fills up under it: better to know before
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise ErcError(
            f"disk full: {path}: needs {needed / 2**20:,.1f} MiB more on a disk with {free / 2**20:,.1f} MiB free"
        )


def _lay_out(
    path: Path,
    dtype: np.dtype[Any],
    trailing: tuple[int, ...],
    attributes: Mapping[str, Attribute],
    ids: Sequence[str],
    lengths: NDArray[np.int64],
    checksums: NDArray[np.uint8],
    copy_frames: Callable[[h5py.Dataset], None],
) -> None:
    """Write a whole file under a temporary name, and check it."""
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    encoded = [utterance_id.encode() for utterance_id in ids]
    id_type = h5py.string_dtype("utf-8", max(map(len, encoded), default=1))
    with h5py.File(path, "w", libver="v110", track_order=False) as file:
        for name, value in sorted({"format": FORMAT, "format_version": FORMAT_VERSION, **attributes}.items()):
            file.attrs[name] = _fixed_length(value) if isinstance(value, str) else value
        file.create_dataset("offsets", data=offsets)
        file.create_dataset("ids", data=np.array(encoded, dtype=id_type))
        file.create_dataset("checksums", data=checksums)
        copy_frames(file.create_dataset("frames", shape=(int(offsets[-1]), *trailing), dtype=dtype))
        file.attrs[CHECKSUM] = _fixed_length(_index_checksum(file))
    with RaggedReader(path) as written:
        if written.ids != list(ids) or written.frame_count != offsets[-1]:
            raise OSError(f"{path}: what was written does not read back; is the disk full?")


def _fixed_length(text: str) -> NDArray[Any]:
    # HDF5 keeps text of variable length in a heap without a checksum, and can loop for ever over a damaged one
    encoded = text.encode()
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", max(1, len(encoded))))
