"""Reading features while training: shuffled epochs of batches from our HDF5 files, against other ways to keep them.

Run as `python -m benchmarks.read_features`; README.md of this folder tells how to read what it writes.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import math
import pickle
import sys
import tempfile
import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from benchmarks.harness import (
    NOT_INSTALLED,
    Contender,
    Measured,
    Parts,
    Role,
    command_line,
    fastest_peer,
    finish,
    goal,
    installed,
    measure,
    summarize,
)
from erc_core.inference.batching import training_batches
from erc_core.inference.feature_set import Modality
from erc_core.store.ragged_writer import RaggedWriter

NAME = "read_features"
PACKAGES = ("h5py", "lhotse", "lilcom", "numpy", "torch")
UTTERANCES = 13_706  # of MELD: train 9,989, dev 1,109, test 2,608
BATCH_SIZE = 32
EPOCHS = ("first epoch", "second epoch")
STEP_SHARE = 5.0  # percent of a training step that reading its batch may take
LILCOM_TOLERANCE = 0.1  # it rounds; numpy_files and numpy_hdf5 do not

# width, and the lengths' median, spread of their logarithm, and largest: about MELD's
FEATURES = {"mel": (80, 250, 0.65, 2001), "text": (768, 11, 0.55, 128)}


class Store(ABC):
    """One way to keep the features of a corpus on disk.

    Attributes:
        name: Of the row.
        role: Ours, another way of ours, or a peer.
        missing: Why it cannot be used here; empty where it can.
        tolerance: Largest difference of a value that is read from the one that was written.
    """

    name: str
    role: Role = "peer"
    missing: str = ""
    tolerance: float = 0.0

    def __init__(self, folder: Path) -> None:
        """Use a folder, not made yet, that may be shared by stores of one kind."""
        self.folder = folder

    @abstractmethod
    def write(self, ids: Sequence[str], features: Sequence[NDArray[np.float16]]) -> None:
        """Write all features, untimed."""

    @abstractmethod
    def open(self) -> None:
        """Open it as a training does when it starts."""

    @abstractmethod
    def frames_of(self, index: int) -> NDArray[Any]:
        """Return one utterance's features, (length, D)."""

    def padded(self, batch: NDArray[np.int64], lengths: NDArray[np.int64], width: int) -> torch.Tensor:
        """Return (B, longest, D) float16, zeros behind the shorter ones; the same work as Modality.padded."""
        padded = np.zeros((len(batch), max(1, int(lengths[batch].max(initial=0))), width), np.float16)
        for place, index in enumerate(batch):
            padded[place, : lengths[index]] = self.frames_of(int(index))
        return torch.from_numpy(padded)

    def close(self) -> None:
        """Let go of files and memory."""
        self.__dict__ = {"folder": self.folder}


class Ours(Store):
    """features.h5 through the training's own Modality, all of it in memory: what `train.features: auto` does while it fits."""

    name = "ours (HDF5, in memory)"
    role: Role = "ours"
    in_memory = True

    def write(self, ids: Sequence[str], features: Sequence[NDArray[np.float16]]) -> None:
        """Write all features, untimed."""
        if (self.folder / "features.h5").exists():
            return
        self.folder.mkdir(parents=True)
        with RaggedWriter(
            self.folder / "features.h5", dtype=np.float16, width=features[0].shape[1], attributes={}
        ) as writer:
            for utterance_id, frames in zip(ids, features, strict=True):
                writer.append(utterance_id, frames)
        pl.DataFrame({"utterance_id": ids}).write_parquet(self.folder / "utterances.parquet")

    def open(self) -> None:
        """Open it as a training does when it starts."""
        ids = pl.read_parquet(self.folder / "utterances.parquet")["utterance_id"].to_list()
        self.modality = Modality(self.folder / "features.h5", ids, in_memory=self.in_memory)

    def frames_of(self, index: int) -> NDArray[Any]:
        """Return one utterance's features, (length, D)."""
        return self.modality.frames_of(index)

    def padded(self, batch: NDArray[np.int64], lengths: NDArray[np.int64], width: int) -> torch.Tensor:
        """Return (B, longest, D) float16, zeros behind the shorter ones."""
        return self.modality.padded(batch)

    def close(self) -> None:
        """Let go of files and memory."""
        self.modality.reader.close()
        super().close()


class OursLazy(Ours):
    """The same file, read batch by batch: what `train.features: auto` does where memory is short."""

    name = "ours (HDF5, lazy)"
    role: Role = "variant"
    in_memory = False


class NumpyFiles(Store):
    """One .npy for each utterance."""

    name = ".npy files"

    def write(self, ids: Sequence[str], features: Sequence[NDArray[np.float16]]) -> None:
        """Write all features, untimed."""
        self.folder.mkdir(parents=True)
        for utterance_id, frames in zip(ids, features, strict=True):
            np.save(self.folder / f"{utterance_id}.npy", frames)
        (self.folder / "ids.txt").write_text("\n".join(ids), encoding="utf-8")

    def open(self) -> None:
        """Open it as a training does when it starts."""
        self.paths = [self.folder / f"{i}.npy" for i in (self.folder / "ids.txt").read_text(encoding="utf-8").split()]

    def frames_of(self, index: int) -> NDArray[Any]:
        """Return one utterance's features, (length, D)."""
        frames: NDArray[Any] = np.load(self.paths[index])
        return frames


class Pickle(Store):
    """One pickle of a list of arrays, read whole."""

    name = "pickle"

    def write(self, ids: Sequence[str], features: Sequence[NDArray[np.float16]]) -> None:
        """Write all features, untimed."""
        self.folder.mkdir(parents=True)
        with (self.folder / "features.pkl").open("wb") as file:
            pickle.dump(dict(zip(ids, features, strict=True)), file, protocol=pickle.HIGHEST_PROTOCOL)

    def open(self) -> None:
        """Open it as a training does when it starts."""
        with (self.folder / "features.pkl").open("rb") as file:
            self.features = list(pickle.load(file).values())

    def frames_of(self, index: int) -> NDArray[Any]:
        """Return one utterance's features, (length, D)."""
        frames: NDArray[Any] = self.features[index]
        return frames


class Lhotse(Store):
    """lhotse's feature manifest over one of its storages."""

    storage = "numpy_files"
    missing = "" if installed("lhotse") else NOT_INSTALLED

    @property
    def dtype(self) -> type[np.floating[Any]]:
        """What the storage is given: lilcom takes no half precision."""
        return np.float32 if "lilcom" in self.storage else np.float16

    def write(self, ids: Sequence[str], features: Sequence[NDArray[np.float16]]) -> None:
        """Write all features, untimed."""
        lhotse, storages = import_module("lhotse"), import_module("lhotse.features.io")
        self.folder.mkdir(parents=True)
        rows = []
        with storages.get_writer(self.storage)(str(self.folder / "feats")) as writer:
            for utterance_id, frames in zip(ids, features, strict=True):
                key = writer.write(utterance_id, frames.astype(self.dtype))
                rows.append(
                    lhotse.Features(
                        type="fbank",
                        num_frames=len(frames),
                        num_features=frames.shape[1],
                        frame_shift=0.01,
                        sampling_rate=16000,
                        start=0,
                        duration=len(frames) / 100,
                        storage_type=writer.name,
                        storage_path=str(writer.storage_path),
                        storage_key=key,
                        recording_id=utterance_id,
                        channels=0,
                    )
                )
        lhotse.FeatureSet.from_features(rows).to_file(self.folder / "features.jsonl")

    def open(self) -> None:
        """Open it as a training does when it starts."""
        self.features = list(import_module("lhotse").FeatureSet.from_file(self.folder / "features.jsonl"))

    def frames_of(self, index: int) -> NDArray[Any]:
        """Return one utterance's features, (length, D)."""
        frames: NDArray[Any] = self.features[index].load()
        return frames

    def close(self) -> None:
        """Let go of files and memory."""
        super().close()
        if not self.missing:
            import_module("lhotse.features.io").close_cached_file_handles()


class LhotseFiles(Lhotse):
    """lhotse's storage of one .npy for each utterance, its default without lilcom."""

    name = "lhotse (numpy_files)"


class LhotseHdf5(Lhotse):
    """lhotse's storage of one HDF5 dataset for each utterance."""

    name = "lhotse (numpy_hdf5)"
    storage = "numpy_hdf5"


class LhotseLilcom(Lhotse):
    """lhotse's compressed storage, which it recommends; it loses precision."""

    name = "lhotse (lilcom_chunky)"
    storage = "lilcom_chunky"
    tolerance = LILCOM_TOLERANCE
    missing = Lhotse.missing or ("" if installed("lilcom") else "lilcom not installed")


STORES: dict[str, type[Store]] = {
    "ours": Ours,
    "lazy": OursLazy,
    "npy": NumpyFiles,
    "pickle": Pickle,
    "lhotse_files": LhotseFiles,
    "lhotse_hdf5": LhotseHdf5,
    "lhotse_lilcom": LhotseLilcom,
}
DEFAULT_STORES = [name for name in STORES if name != "lhotse_files"]  # which is .npy files, and a manifest


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all kinds of features, compare what is read, and write the JSON; returns the exit status."""
    options = parse(arguments)
    torch.set_num_threads(1)
    groups: dict[str, list[dict[str, Any]]] = {}
    outputs: list[dict[str, Any]] = []
    sizes = {}
    for kind in options.features:
        with tempfile.TemporaryDirectory(prefix="erc-benchmark-", dir=options.scratch) as scratch:
            features = make_features(kind, options.utterances)
            sizes[kind] = {
                "utterances": len(features),
                "frames": sum(map(len, features)),
                "mib": round(sum(frames.nbytes for frames in features) / 2**20, 1),
            }
            print(f"{kind}: {sizes[kind]}, {options.rounds} rounds", file=sys.stderr, flush=True)
            measured, compared = measure_kind(Path(scratch), features, options.rounds, options.stores)
        for epoch in EPOCHS:
            groups[f"{kind}, {epoch}"] = rows = summarize([m.part(epoch) for m in measured])
            for r in rows:
                if r["seconds"]:
                    r["ms_per_batch"] = 1000 * r["seconds"]["median"] / math.ceil(options.utterances / BATCH_SIZE)
                    r["note"] = f"{r['ms_per_batch']:.2f} ms a batch"
        outputs += [{"features": kind, **comparison} for comparison in compared]
    goals = [
        goal(f"{group}: times faster than the fastest peer, at least 1", fastest_peer(rows), at_least=1.0)
        for group, rows in groups.items()
    ]
    goals.append(step_goal(groups, options.step_ms))
    agree = finish(
        NAME,
        rounds=options.rounds,
        settings={
            "batch_size": BATCH_SIZE,
            "processes": 1,
            "training_step_ms": options.step_ms,
            "first_epoch": "cold" if hasattr(os, "posix_fadvise") else "warm: this system cannot drop cached files",
            "features": sizes,
        },
        packages=PACKAGES,
        groups=groups,
        outputs=outputs,
        goals=goals,
        folder=options.results,
    )
    return 0 if agree else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line(NAME, __doc__)
    parser.add_argument("--utterances", type=int, default=UTTERANCES, help="size of the corpus")
    parser.add_argument("--features", nargs="+", choices=FEATURES, default=list(FEATURES), help="what is read")
    parser.add_argument("--stores", nargs="+", choices=STORES, default=DEFAULT_STORES, help="beside ours")
    parser.add_argument("--step-ms", type=float, help="length of a training step on your GPU, to compare reading with")
    parser.add_argument("--scratch", type=Path, help="where the temporary folder is made: the disk that is read")
    return parser.parse_args(arguments)


def step_goal(groups: Mapping[str, Sequence[Mapping[str, Any]]], step_ms: float | None) -> dict[str, Any]:
    """Return the share of a training step that reading one batch of each kind takes us once the features are in memory."""
    share = None
    if step_ms:
        rows = [r for group, rows in groups.items() if group.endswith(EPOCHS[1]) for r in rows if r["role"] == "ours"]
        share = 100 * sum(r["ms_per_batch"] for r in rows) / step_ms
    return goal(f"percent of a training step, second epoch, at most {STEP_SHARE:g}", share, at_most=STEP_SHARE)


def make_features(kind: str, utterances: int) -> list[NDArray[np.float16]]:
    """Return noise with lengths like MELD's."""
    width, middle, sigma, longest = FEATURES[kind]
    rng = np.random.default_rng(0)
    lengths = np.clip(np.rint(middle * np.exp(sigma * rng.standard_normal(utterances))), 3, longest).astype(int)
    pool = rng.standard_normal((longest + 4096, width), np.float32).astype(np.float16)
    starts = rng.integers(0, 4096, utterances)
    return [pool[start : start + length].copy() for start, length in zip(starts, lengths, strict=True)]


def measure_kind(
    folder: Path, features: list[NDArray[np.float16]], rounds: int, others: Sequence[str]
) -> tuple[list[Measured], list[dict[str, Any]]]:
    """Write the features to every store, check what each reads, and time two epochs of each.

    Args:
        folder: An empty folder on the disk to read from.
        features: Of all utterances; emptied when they are written, so that readers have the memory.
        rounds: Timed runs of each.
        others: Stores beside ours.

    Returns:
        The times, with the parts "first epoch" and "second epoch"; how what is read compares with what was written.
    """
    ids = [f"dia{index // 10}_utt{index % 10}" for index in range(len(features))]
    lengths = np.array([len(frames) for frames in features])
    width = features[0].shape[1]
    chosen = {key: make for key, make in STORES.items() if key == "ours" or key in others}
    stores = [make(folder / ("ours" if issubclass(make, Ours) else key)) for key, make in chosen.items()]
    outputs = []
    for store in stores:
        if not store.missing:
            store.write(ids, features)
            outputs.append({"contender": store.name, **check(store, features)})
    if hasattr(os, "sync"):
        os.sync()  # only what is on the disk can be dropped from memory
    contenders = [
        Contender(
            store.name,
            partial(two_epochs, store, lengths, width),
            prepare=partial(drop_cached, store.folder),
            role=store.role,
            missing=store.missing,
        )
        for store in stores
    ]
    features.clear()
    return measure(contenders, rounds, warm=False), outputs  # all have been read once, to check them


def two_epochs(store: Store, lengths: NDArray[np.int64], width: int) -> Parts:
    """Open the store, read two epochs, and return the seconds of each; opening, and loading, belong to the first."""
    seconds = {}
    start = time.perf_counter()
    store.open()
    try:
        for number, epoch in enumerate(EPOCHS, start=1):
            for batch in training_batches(np.arange(len(lengths)), lengths, BATCH_SIZE, seed=0, epoch=number):
                store.padded(batch, lengths, width)
            seconds[epoch] = time.perf_counter() - start
            start = time.perf_counter()
    finally:
        store.close()
    return seconds


def drop_cached(folder: Path) -> None:
    """Drop a folder's files from the system's memory, so that the next read comes from the disk."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def check(store: Store, features: Sequence[NDArray[np.float16]]) -> dict[str, Any]:
    """Read everything once, and compare it with what was written: checksum, and largest difference."""
    store.open()
    written = found = 0
    largest = 0.0
    try:
        for index, frames in enumerate(features):
            read = store.frames_of(index)
            written = zlib.crc32(frames.tobytes(), written)
            found = zlib.crc32(read.astype(np.float16).tobytes(), found)
            if read.shape != frames.shape:
                largest = float("inf")
                break
            largest = max(largest, float(np.abs(read.astype(np.float32) - frames).max(initial=0.0)))
    finally:
        store.close()
    mib = sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file()) / 2**20
    agrees = written == found if store.tolerance == 0 else largest <= store.tolerance
    return {
        "crc32": f"{found:08x}",
        "max difference": min(largest, 1e9),
        "tolerance": store.tolerance,
        "MiB on disk": round(mib, 1),
        "agrees": agrees,
    }


if __name__ == "__main__":
    sys.exit(main())
