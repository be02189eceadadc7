"""What an interrupted training continues from: a scratch file named after everything that decides the result."""

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash

from erc_core.run.atomic import atomic_file
from erc_core.run.scratch import scratch_folder
from erc_core.store.checksums import WRONG, file_checksum

CHECKSUM_BYTES = 16


def run_key(inputs: Iterable[Path], settings: dict[str, Any]) -> str:
    """Return a short hash of input files, JSON-ready settings and the training code: only the same run is continued."""
    return run_keys(inputs, [settings])[0]


def run_keys(inputs: Iterable[Path], settings: Iterable[dict[str, Any]]) -> list[str]:
    """Return the run_key of several runs on the same files, which are read once for all of them."""
    content = hashlib.blake2b(digest_size=10)
    core = Path(__file__).parents[1]
    rooms = ("models", "inference", "training", "peers", "evaluation", "store")
    code = sorted(path for room in rooms for path in (core / room).rglob("*.py"))
    for path in (*inputs, *code):
        with path.open("rb") as file:
            content.update(hashlib.file_digest(file, "blake2b").digest())
    content.update(torch.__version__.encode())
    keys = []
    for of_run in settings:
        digest = content.copy()
        digest.update(json.dumps(of_run, sort_keys=True).encode())
        keys.append(digest.hexdigest())
    return keys


class Checkpoint:
    """The state of a training after its last whole epoch, in the scratch folder."""

    def __init__(self, name: str) -> None:
        """Name a run by its dataset and its key."""
        self.folder = scratch_folder("train") / name
        self.path = self.folder / "checkpoint.pt"

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint; the last 16 bytes of the file are the checksum of the others."""
        with atomic_file(self.path) as partial:
            torch.save(state, partial)
            checksum = bytes.fromhex(file_checksum(partial))
            with partial.open("ab") as file:
                file.write(checksum)

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """Return the state to continue from; None where there is none, or it is damaged, and then it is removed."""
        if not self.path.exists():
            return None
        try:
            content = np.memmap(self.path, np.uint8, "r")
            if xxhash.xxh3_128_digest(content[:-CHECKSUM_BYTES].data) != content[-CHECKSUM_BYTES:].tobytes():
                raise ValueError(WRONG)  # noqa: TRY301 - told below, as any other damage
            state: dict[str, Any] = torch.load(self.path, map_location=device, weights_only=True)
        except Exception as error:
            print(f"{self.path}: damaged ({' '.join(str(error).split())[:200]}); training starts anew", flush=True)
            self.remove()
            return None
        return state

    def remove(self) -> None:
        """Forget the run: it ended."""
        shutil.rmtree(self.folder, ignore_errors=True)
