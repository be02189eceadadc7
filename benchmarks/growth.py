"""Growth: time and peak memory of every stage at 1, 2, 4 and 8 times the corpus.

Run as `python -m benchmarks.growth`; README.md of this folder tells how to read what it writes.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from benchmarks.harness import command_line, finish, goal, print_table
from benchmarks.workspace import Used, Workspace
from erc_core.store.ragged import RaggedReader

NAME = "growth"
PACKAGES = ("av", "h5py", "numpy", "polars", "torch", "torchaudio", "transformers")
SIZES = (1, 2, 4, 8)
FEATURE_STAGES = ("demo", "ingest", "resample", "card", "mel", "tokenize", "embed")
MODEL_STAGES = ("train", "evaluate")
# the stages whose memory must not grow: the rest holds tables of the corpus, or its features by choice
STREAMING_STAGES = ("resample", "mel", "embed")

Runs = dict[str, dict[int, list[Used]]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write the JSON."""
    options = parse(arguments)
    runs: Runs = {stage: {size: [] for size in options.sizes} for stage in (*FEATURE_STAGES, *MODEL_STAGES)}
    hours: dict[int, float] = {}
    utterances: dict[int, int] = {}
    with tempfile.TemporaryDirectory(prefix="erc-benchmark-") as scratch:
        for turn in range(options.rounds):
            for size in options.sizes if turn % 2 == 0 else options.sizes[::-1]:
                print(f"round {turn + 1}, {size} x", file=sys.stderr, flush=True)
                workspace = Workspace(Path(scratch) / f"x{size}")
                workspace.set(
                    {
                        "demo.dialogues": {"train": size * options.dialogues, "dev": 10, "test": 10},
                        "train.epochs": 1,
                        "datasets": ["demo"],
                    }
                )
                for stage in runs:
                    arguments_of = () if stage == "demo" else ("demo",)
                    runs[stage][size].append(workspace.run(stage, *arguments_of))
                with RaggedReader(workspace.folder / "data/demo/audio.h5") as audio:
                    utterances[size] = len(audio)
                    hours[size] = audio.frame_count / int(audio.attributes["sample_rate"]) / 3600
    rows = [row(stage, by_size, hours) for stage, by_size in runs.items()]
    print_table(
        pl.DataFrame(
            [
                {
                    "stage": r["name"],
                    **{f"{size}x s": r["seconds_at"][str(size)] for size in options.sizes},
                    **{f"{size}x MiB": r["peak_mib_at"][str(size)] for size in options.sizes},
                    "s an hour": r["seconds_per_hour"],
                    "curved": r["curvature"],
                }
                for r in rows
            ]
        )
    )
    curved = [r["curvature"] for r in rows if r["curvature"] is not None]
    flat = [r["memory_growth"] for r in rows if r["name"] in STREAMING_STAGES]
    finish(
        NAME,
        rounds=options.rounds,
        settings={
            "utterances": {str(size): utterances[size] for size in options.sizes},
            "hours": {str(size): round(hours[size], 4) for size in options.sizes},
            "epochs": 1,
            "memory": "resident, of the largest process",
            "stages": rows,
        },
        packages=PACKAGES,
        groups={},
        outputs=[],
        goals=[
            goal("cost of an hour more, from 4x to 8x over from 1x to 4x; linear is 1, at most 1.25", max(curved, default=None), at_most=1.25),
            goal(f"memory of {', '.join(STREAMING_STAGES)} at the largest size over the smallest, at most 1.2", max(flat), at_most=1.2),
        ],
        folder=options.results,
    )  # fmt: skip
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line(NAME, __doc__, rounds=1)
    parser.add_argument("--dialogues", type=int, default=100, help="training dialogues at 1x")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="multiples")
    return parser.parse_args(arguments)


def row(stage: str, by_size: Mapping[int, Sequence[Used]], hours: Mapping[int, float]) -> dict[str, Any]:
    """Return the figures of a stage.

    Returns:
        name; seconds_at and peak_mib_at: medians by size; seconds_per_hour: slope of a straight line through all runs, per
        hour of speech, and start_seconds, where it begins; curvature: the cost of an hour between the two largest sizes over
        that between the smallest and the second largest, None where a stage takes too little to tell, or with fewer than
        three sizes; memory_growth: peak memory at the largest size over that at the smallest.
    """
    sizes = sorted(by_size)
    seconds = {size: median(used.seconds for used in by_size[size]) for size in sizes}
    memory = {size: median(used.peak_mib for used in by_size[size]) for size in sizes}
    line = np.polynomial.Polynomial.fit(
        [hours[size] for size in sizes for _ in by_size[size]],
        [used.seconds for size in sizes for used in by_size[size]],
        deg=min(1, len(sizes) - 1),
    )
    start, slope = [*line.convert().coef, 0.0][:2]
    curvature = None
    if len(sizes) > 2 and seconds[sizes[-1]] > 2 * max(start, 0.0):  # otherwise the start is all there is
        low, middle, high = sizes[0], sizes[-2], sizes[-1]
        before = (seconds[middle] - seconds[low]) / (hours[middle] - hours[low])
        after = (seconds[high] - seconds[middle]) / (hours[high] - hours[middle])
        curvature = after / before if before > 0 else None
    return {
        "name": stage,
        "seconds_at": {str(size): round(seconds[size], 3) for size in sizes},
        "peak_mib_at": {str(size): round(memory[size], 1) for size in sizes},
        "seconds_per_hour": round(float(slope), 3),
        "start_seconds": round(float(start), 3),
        "curvature": curvature,
        "memory_growth": memory[sizes[-1]] / memory[sizes[0]],
    }


if __name__ == "__main__":
    sys.exit(main())
