"""Features shard by shard: each shard is written apart, by whichever worker, and all are merged in the order of the table.

The parts of a run lie in the scratch folder until the stage is done, so a stage that was killed does only what is missing.
A part is named after what decides its content: utterances, inputs, parameters, code and versions of packages. Inputs count
by name, size and time of change: reading a corpus to see whether it changed would take as long as much of the work.
"""

import hashlib
import json
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from erc_core.errors import ErcError
from erc_core.params.training import ParallelParams
from erc_core.run.atomic import write_json
from erc_core.run.pools import map_ordered
from erc_core.run.provenance import code_hash
from erc_core.run.scratch import scratch_folder
from erc_core.store.checksums import file_checksum, seal, unseal
from erc_core.store.ragged_writer import Attribute, RaggedWriter, merge_ragged

# what decides how frames become a part, whatever makes them
CODE = code_hash(
    "speech/shards.py", "store/checksums.py", "store/ragged.py", "store/ragged_writer.py", packages=("numpy", "h5py")
)


@dataclass(frozen=True)
class Shard:
    """Utterances that are worked on together."""

    number: int  # position among the shards of the corpus
    ids: Sequence[str]  # of the utterances, in the order of the table
    inputs: Sequence[Path | None]  # the files that features are made from, absolute; None where there is none
    details: Mapping[str, Any] = field(default_factory=dict)  # what else decides the features, JSON-ready

    def __str__(self) -> str:
        return f"shard {self.number} ({self.ids[0]} to {self.ids[-1]})"


# appends the frames of the shard's utterances, in their order, and returns notes about them, JSON-ready
ShardWork = Callable[[Shard, RaggedWriter], Any]


class ShardedFeature:
    """The parts of one feature of a corpus, and the file that they become. Use as a context manager.

    Parts are forgotten when the block ends without an error; otherwise the next run of the same work takes them up.
    """

    def __init__(
        self, name: str, *, code: str, settings: Mapping[str, Any], dtype: DTypeLike, width: int | None
    ) -> None:
        """Name the work by stage and dataset; dtype and width are those of RaggedWriter.

        `code` is the hash of the code that makes the frames, and of the packages under it (see
        run.provenance.code_hash); `settings` are the parameters that decide the frames, JSON-ready.
        """
        self._layout: dict[str, Any] = {"dtype": np.dtype(dtype).name, "width": width}
        key = _hash([code, CODE, dict(settings), self._layout])
        # absolute, as workers elsewhere have working folders of their own
        self.folder = scratch_folder("features").absolute() / f"{name}-{key}"
        self._parts: list[Path] = []

    def make(
        self, work: ShardWork, shards: Sequence[Shard], parallel: ParallelParams, *, least: int = 1
    ) -> Iterator[Any]:
        """Make the parts that are missing, and yield the notes of every shard of the corpus, in order.

        The work makes the frames of a shard, and can be pickled; for `least` see map_ordered.
        """
        self._parts.clear()
        make_one = partial(make_part, folder=self.folder, work=work, layout=self._layout)
        for name, notes in map_ordered(make_one, shards, parallel, least=least):
            self._parts.append(self.folder / name)
            yield notes

    def merge(self, target: Path, attributes: Mapping[str, Attribute]) -> None:
        """Join the parts into the file; see merge_ragged."""
        merge_ragged(target, self._parts, **self._layout, attributes=attributes)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            shutil.rmtree(self.folder, ignore_errors=True)


def make_part(shard: Shard, folder: Path, work: ShardWork, layout: Mapping[str, Any]) -> tuple[str, Any]:
    """Make the part of a shard, on a worker, unless it is there and whole; return its name and the notes.

    ErcError where the folder cannot be seen from this machine.
    """
    if not folder.is_dir():
        raise ErcError(
            f"{folder}: cannot be seen on {socket.gethostname()}; workers need the project's folder, and the one in "
            "ERC_SCRATCH where it is set, on a shared file system under the same path"
        )
    name = f"{shard.number:06d}-{_hash([list(shard.ids), dict(shard.details), *map(_stamp, shard.inputs)])}"
    part, record = folder / f"{name}.h5", folder / f"{name}.json"
    with suppress(OSError, ValueError, KeyError):  # not made yet, or damaged when a machine went down
        earlier = unseal(json.loads(record.read_text(encoding="utf-8")))
        if earlier["part"] == file_checksum(part):
            return part.name, earlier["notes"]
    # names of their own: two machines may be at the same shard, if one of them was taken for dead
    fresh = folder / f"{name}.{uuid.uuid4().hex}.h5"
    with RaggedWriter(fresh, **layout, attributes={}) as writer:
        notes = work(shard, writer)
    write_json(fresh.with_suffix(".json"), seal({"part": file_checksum(fresh), "notes": notes}))
    fresh.replace(part)
    fresh.with_suffix(".json").replace(record)
    return part.name, notes


def _stamp(path: Path | None) -> list[Any]:
    """Return what tells a file from another one of its name."""
    if path:
        with suppress(OSError):
            status = path.stat()
            return [path.name, status.st_size, status.st_mtime_ns]
    return []


def _hash(content: Any) -> str:
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=10).hexdigest()
