"""A study: all trainings of a variant in one stage, against one process for each training, one after another.

Run as `python -m benchmarks.study`; README.md of this folder tells how to read what it writes.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness import Contender, command_line, finish, goal, measure, summarize
from benchmarks.workspace import Workspace

NAME = "study"
PACKAGES = ("timm", "torch", "transformers")
FUSIONS = ("cfa", "concatenate")
FEATURE_STAGES = ("demo", "ingest", "resample", "mel", "tokens", "embed")
OURS, SERIAL, PEER = "one stage", "one stage, one training at a time", "a process for each training"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, compare the scores, and write the JSON; returns the exit status."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="erc-benchmark-") as scratch:
        workspace = Workspace(Path(scratch))
        settings: dict[str, Any] = {
            "demo.dialogues": {"train": options.dialogues, "dev": 10, "test": 10},
            "backbones.tiny.training.epochs": options.epochs,
            "study.seeds": options.seeds,
            "study.run": ["full", "fusion"],
        }
        workspace.set(settings)
        for stage in FEATURE_STAGES:
            workspace.build(stage)
        scores: dict[str, list[float]] = {}

        def in_one_stage(name: str, workers: int | str) -> None:
            workspace.set(settings | {"parallel.workers": workers})
            workspace.run("study", "demo", "fusion")
            scores[name] = study_scores(workspace.folder)

        def one_by_one() -> None:
            scores[PEER] = []
            for fusion in FUSIONS:
                for seed in range(options.seeds):
                    workspace.set(settings | {"model.fusion": fusion, "train.seed": seed})
                    workspace.build("train")
                    workspace.build("evaluate")
                    metrics = json.loads((workspace.folder / "reports/demo/metrics.json").read_text(encoding="utf-8"))
                    scores[PEER].append(metrics["wf1"])

        def clear() -> None:
            for folder in (".scratch", "data/study", "data/demo/trained"):
                shutil.rmtree(workspace.folder / folder, ignore_errors=True)

        contenders = [
            Contender(OURS, partial(in_one_stage, OURS, "auto"), clear, role="ours"),
            Contender(SERIAL, partial(in_one_stage, SERIAL, 1), clear, role="variant"),
            Contender(PEER, one_by_one, clear),
        ]
        rows = summarize(measure(contenders, options.rounds, warm=False))  # every run is a new process
    difference = {
        name: max(abs(a - b) for a, b in zip(scores[OURS], other, strict=True)) for name, other in scores.items()
    }
    ratio = {r["name"]: r["times_ours"]["median"] for r in rows}
    agree = finish(
        NAME,
        rounds=options.rounds,
        settings={
            "trainings": len(FUSIONS) * options.seeds,
            "epochs": options.epochs,
            "training dialogues": options.dialogues,
            "peer": "stages train and evaluate for each training, without DVC's own time",
        },
        packages=PACKAGES,
        groups={"variant fusion": rows},
        outputs=[
            {"contender": name, "largest difference of W-F1": value, "agrees": value < 1e-6}
            for name, value in difference.items()
        ],
        goals=[
            goal("times faster than a process for each training, more than 1", ratio[PEER], at_least=1.0),
            goal(
                "several trainings at once on one machine, times faster than one at a time", ratio[SERIAL], at_least=1.0
            ),
        ],
        folder=options.results,
    )
    return 0 if agree else 1


def study_scores(folder: Path) -> list[float]:
    """Return the weighted F1 of every training of the variant, point by point, seed by seed."""
    results = json.loads((folder / "data/study/demo/fusion/results.json").read_text(encoding="utf-8"))
    return [run["wf1"] for point in results["points"] for run in point["runs"]]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line(NAME, __doc__)
    parser.add_argument("--dialogues", type=int, default=60, help="training dialogues")
    parser.add_argument("--epochs", type=int, default=2, help="of each training")
    parser.add_argument("--seeds", type=int, default=2, help="trainings of each fusion")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
