"""Idle cost: `dvc repro` with nothing to do, and the start of each stage.

Run as `python -m benchmarks.idle`; README.md of this folder tells how to read what it writes.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.harness import Contender, command_line, finish, goal, measure, summarize

NAME = "idle"
ROOT = Path(__file__).parents[1]
PACKAGES = ("dvc", "h5py", "polars", "torch", "timm", "transformers")
PYTHON = "python, nothing imported"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write the JSON."""
    options = parse(arguments)
    stages = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__")
    contenders = [Contender(PYTHON, partial(_run, sys.executable, "-c", ""), role="ours")]
    contenders += [
        Contender(f"stages.{name}", partial(_run, sys.executable, "-m", f"stages.{name}", "--help"), role="variant")
        for name in stages
    ]
    missing = "" if _up_to_date() else "not up to date here: run `dvc repro` first"
    contenders.append(Contender("dvc repro", partial(_run, *_DVC, "repro"), role="floor", missing=missing))
    rows = summarize(measure(contenders, options.rounds, warm=False))
    idle = rows[-1]["seconds"]
    finish(
        NAME,
        rounds=options.rounds,
        settings={"stages": len(stages), "start": "interpreter, imports, command line; times ours = times the bare interpreter"},
        packages=PACKAGES,
        groups={"idle": rows},
        outputs=[],
        goals=[goal("seconds of `dvc repro` with nothing to do, at most 4", idle["median"] if idle else None, at_most=4.0)],
        folder=options.results,
    )  # fmt: skip
    return 0


_DVC = (sys.executable, "-m", "dvc")


def _run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _up_to_date() -> bool:
    """Tell whether `dvc repro` would do nothing, without running anything."""
    status = subprocess.run([*_DVC, "status"], cwd=ROOT, capture_output=True, text=True, check=False)
    return status.returncode == 0 and "up to date" in status.stdout


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line(NAME, __doc__)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
