"""Write the files that ragged reads: utterance by utterance, or from parts that were written apart.

Every file is laid out under a temporary name, read back, and then given its own.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
import xxhash
from numpy.typing import DTypeLike, NDArray

from erc_core.errors import ErcError
from erc_core.run.atomic import atomic_file, scratch_beside
from erc_core.run.full_disk import telling_full_disk
from erc_core.store.checksums import CHECKSUM
from erc_core.store.ragged import FORMAT, FORMAT_VERSION, PARAMS, RaggedReader, block_frames, index_checksum

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
        step, values = block_frames(self.dtype, self.trailing), int(np.prod(self.trailing, dtype=np.int64))
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
        file.attrs[CHECKSUM] = _fixed_length(index_checksum(file))
    with RaggedReader(path) as written:
        if written.ids != list(ids) or written.frame_count != offsets[-1]:
            raise OSError(f"{path}: what was written does not read back; is the disk full?")


def _fixed_length(text: str) -> NDArray[Any]:
    # HDF5 keeps text of variable length in a heap without a checksum, and can loop for ever over a damaged one
    encoded = text.encode()
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", max(1, len(encoded))))
