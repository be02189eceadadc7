"""Run all benchmarks one after another, each in a process of its own: `python -m benchmarks`, or some: `... embed_text`.

The sizes are such that all of them together take two cores less than twenty minutes.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence

BENCHMARKS: dict[str, list[str]] = {
    "resampling": [],
    "extract_features": ["--utterances", "160"],
    "read_features": ["--utterances", "2500"],
    "embed_text": [],
    "train_model": ["--utterances", "320"],
    "study": ["--seeds", "1"],
    "growth": [],
    "idle": [],
}
"""Name of the script -> options that fit it into the time."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks, print how long they took, and return 1 if the outputs of one disagree or one fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("benchmarks", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; without one, all")
    parser.add_argument("--rounds", type=int, help="timed runs of each contender; without it, what each script takes")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.benchmarks) - BENCHMARKS.keys())
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    rounds = ["--rounds", str(options.rounds)] if options.rounds else []
    start = time.perf_counter()
    failed = []
    for name in options.benchmarks or BENCHMARKS:
        begun = time.perf_counter()
        print(f"\n{name}", flush=True)
        if subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *BENCHMARKS[name], *rounds], check=False
        ).returncode:
            failed.append(name)
        print(f"{name}: {time.perf_counter() - begun:.0f} s", flush=True)
    print(f"\nall: {(time.perf_counter() - start) / 60:.1f} minutes")
    if failed:
        print(f"outputs disagree, or the script failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
