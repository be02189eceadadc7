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
FEATURE_STAGES = ("demo", "ingest", "resample", "card", "mel", "tokens", "embed")
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
                    runs[stage][size].append(workspace.build(stage))
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
                    "last over the one before": r["last_doubling"],
                }
                for r in rows
            ]
        )
    )
    doublings = [r["last_doubling"] for r in rows if r["last_doubling"]]
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
            goal("largest time at the last size over that at the one before; where that is twice the corpus, at most 2.1", max(doublings, default=None), at_most=2.1),
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
        hour of speech, and start_seconds, where it begins; last_doubling: time at the largest size over that at the one before,
        None with one size; memory_growth: peak memory at the largest size over that at the smallest.
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
    return {
        "name": stage,
        "seconds_at": {str(size): round(seconds[size], 3) for size in sizes},
        "peak_mib_at": {str(size): round(memory[size], 1) for size in sizes},
        "seconds_per_hour": round(float(slope), 3),
        "start_seconds": round(float(start), 3),
        "last_doubling": seconds[sizes[-1]] / seconds[sizes[-2]] if len(sizes) > 1 else None,
        "memory_growth": memory[sizes[-1]] / memory[sizes[0]],
    }


if __name__ == "__main__":
    sys.exit(main())
