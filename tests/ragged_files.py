"""Small ragged files with numbers that can be told apart, and processes that write them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from closure import ROOT

from erc_core.errors import ErcError  # noqa: F401 - of the code that runs in a process, as the next
from erc_core.store.ragged import RaggedReader  # noqa: F401
from erc_core.store.ragged_writer import RaggedWriter

ATTRIBUTES = {"encoder": "röberta", "empty": "", "layer": 12, "floor": 1e-6, "mean": np.arange(3, dtype=np.float32)}


def frames_of(lengths, dtype="float16", width: int | None = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(len(lengths))
    shapes = [(length,) if width is None else (length, width) for length in lengths]
    return [rng.integers(-1000, 1000, shape).astype(dtype) for shape in shapes]


def write(path: Path, ids, frames, dtype="float16", width: int | None = 3, attributes=ATTRIBUTES) -> bytes:
    with RaggedWriter(path, dtype=dtype, width=width, attributes=attributes) as writer:
        for utterance_id, utterance in zip(ids, frames, strict=True):
            writer.append(utterance_id, utterance)
    return path.read_bytes()


def write_example(path: Path, lengths=(4, 0, 7)) -> bytes:
    return write(path, [f"dia0_utt{i}" for i in range(len(lengths))], frames_of(lengths))


def process(code: str, *arguments: object, **options) -> subprocess.Popen[str]:
    """Start Python on code that has the functions of this module, and what they use."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    environment |= options.pop("env", {})
    code = f"import sys\nfrom ragged_files import *\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
