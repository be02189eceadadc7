"""Faults: kills, damaged files, bad inputs, full disks by the hundred, and how the stages meet them.

Run as `python -m benchmarks.faults`; README.md of this folder tells how to read what it writes.
"""

import argparse
import itertools
import queue
import random
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import polars as pl

from benchmarks.harness import RESULTS, finish, goal, print_table
from benchmarks.injection import bad_clips, bad_params, bad_tables, corruption, interruptions
from benchmarks.injection.dvc_runs import DvcProject
from benchmarks.injection.project import Project
from benchmarks.injection.verdict import Case
from benchmarks.injection.zygote import Zygote

NAME = "faults"
PACKAGES = ("av", "dvc", "h5py", "numpy", "polars", "pydantic", "ruamel.yaml", "soundfile", "torch", "transformers")
KILLS_OF_DVC = 10  # in one chain of runs


@dataclass(frozen=True)
class Group:
    """Faults of one kind.

    Attributes:
        meets: What is counted as a good end, in words.
        cases: How many there are in a whole campaign.
        project: Which project it harms: "demo", "table" or "clips".
        one: Does the case of a number.
    """

    meets: str
    cases: int
    project: str
    one: Callable[[Project, random.Random, int], Sequence[Case]]


def _single(one: Callable[[Project, random.Random], Case | None]) -> Callable[..., Sequence[Case]]:
    def cases(project: Project, rng: random.Random, _: int) -> Sequence[Case]:
        case = one(project, rng)
        return [case] if case else []

    return cases


def _numbered(one: Callable[[Project, random.Random, int], Case]) -> Callable[..., Sequence[Case]]:
    return lambda project, rng, number: [one(project, rng, number)]


CONVERGES = "run again, it comes to the same numbers and leaves nothing behind"
REFUSED = "one clear message, or a correct result; nothing is written outside"
GROUPS: dict[str, Group] = {
    "kills": Group(CONVERGES, 180, "demo", _single(interruptions.kill)),
    "ctrl-c": Group("one line; " + CONVERGES, 40, "demo", _single(interruptions.interrupt)),
    "ctrl-c while loading": Group("one line", 12, "demo", _single(interruptions.interrupt_loading)),
    "full disks": Group("one line that says so; " + CONVERGES, 40, "demo", _single(interruptions.fill_disk)),
    "twice at once": Group("both end well, or one says so", 24, "demo", _single(interruptions.run_twice)),
    "damaged files": Group("a message that names it, or the same numbers", 220, "demo", corruption.corrupt),
    "damaged checkpoints": Group(CONVERGES, 40, "demo", _single(corruption.corrupt_scratch)),
    "bad parameters": Group(REFUSED, 240, "demo", _numbered(bad_params.change)),
    "bad tables": Group(REFUSED, 160, "table", _numbered(bad_tables.change)),
    "bad clips": Group(REFUSED, 120, "clips", _numbered(bad_clips.change)),
}
INPUTS = ("bad parameters", "bad tables", "bad clips")
DVC_GROUPS = {"kills of dvc repro": 20, "remedies": 5}


@dataclass(frozen=True)
class Done:
    """A case of a group."""

    group: str
    number: int
    case: Case


def main(arguments: Sequence[str] | None = None) -> int:
    """Do all faults, and write the JSON; returns 1 if one was not met as it should be."""
    options = parse(arguments)
    names = options.groups or [*GROUPS, *DVC_GROUPS]
    start = time.perf_counter()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="erc-faults-") as scratch:
        done, errors = run_groups(Path(scratch), [name for name in names if name in GROUPS], options)
        if set(names) & DVC_GROUPS.keys():
            done += run_dvc(Path(scratch), names, options)
    rows = [row(name, [one for one in done if one.group == name]) for name in names]
    print()
    print_table(pl.DataFrame([{k: v for k, v in r.items() if k != "failures"} for r in rows]))
    by_name = {r["group"]: r for r in rows}
    finish(
        NAME,
        rounds=1,
        settings={
            "seed": options.seed,
            "seconds": round(time.perf_counter() - start, 1),
            "again": "python -m benchmarks.faults --seed SEED --groups GROUP --case NUMBER",
            "groups": rows,
            "cases that failed of themselves": len(errors),
        },
        packages=PACKAGES,
        groups={},
        outputs=[],
        goals=[
            goal("share of kills after which the same numbers come out", _share(by_name, "kills", "kills of dvc repro"), at_least=1.0),
            goal("share of bad inputs that are a clear message or a correct result", _share(by_name, *INPUTS), at_least=1.0),
            goal("share of damaged files that are noticed, or harmless", _share(by_name, "damaged files", "damaged checkpoints"), at_least=1.0),
            goal("share of full disks, interrupts and doubles that are met in a line", _share(by_name, "full disks", "ctrl-c", "ctrl-c while loading", "twice at once"), at_least=1.0),
        ],
        folder=options.results,
    )  # fmt: skip
    return 1 if errors or any(r["failures"] for r in rows) else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{NAME}", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", default="0", help="of all that is drawn")
    parser.add_argument("--share", type=float, default=1.0, help="of the cases of each group, from the first")
    parser.add_argument(
        "--groups", nargs="+", metavar="GROUP", help=f"of {', '.join([*GROUPS, *DVC_GROUPS])}; without it, all"
    )
    parser.add_argument("--case", type=int, help="the number of the only case of each group")
    parser.add_argument("--processes", type=int, default=2, help="cases at the same time")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON")
    parser.add_argument("--rounds", type=int, help=argparse.SUPPRESS)  # what all benchmarks take; faults have none
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.groups or ()) - GROUPS.keys() - DVC_GROUPS.keys())
    if unknown:
        parser.error(f"no such group: {', '.join(unknown)}; there are {', '.join([*GROUPS, *DVC_GROUPS])}")
    return options


def numbers(cases: int, options: argparse.Namespace) -> list[int]:
    """Return the numbers of the cases to do."""
    return [options.case] if options.case is not None else list(range(max(1, round(cases * options.share))))


def run_groups(scratch: Path, names: Sequence[str], options: argparse.Namespace) -> tuple[list[Done], list[str]]:
    """Do the cases of some groups, several at a time, each in a project of its own; return what failed of itself, too."""
    waiting: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
    tasks = [[(name, number) for number in numbers(GROUPS[name].cases, options)] for name in names]
    # in turns, so that what is slow does not come at the end alone
    for task in (one for turn in itertools.zip_longest(*tasks) for one in turn if one):
        waiting.put(task)
    done: list[Done] = []
    errors: list[str] = []
    builder = Workshop(scratch / "worker0")

    def work(workshop: Workshop) -> None:
        with suppress(queue.Empty):
            while True:
                name, number = waiting.get_nowait()
                try:
                    done.extend(workshop.do(name, number, options.seed))
                except Exception:  # of this harness, not of a stage: the other cases are worth having
                    errors.append(f"{name} {number}: {traceback.format_exc()}")

    with ExitStack() as stack:
        stack.enter_context(builder)
        built = builder.project("demo") if any(GROUPS[name].project == "demo" for name in names) else None
        others = [Workshop(scratch / f"worker{place}", built) for place in range(1, options.processes)]
        threads = [threading.Thread(target=work, args=(stack.enter_context(one),)) for one in others]
        for thread in threads:
            thread.start()
        work(builder)
        for thread in threads:
            thread.join()
    print(*errors, sep="\n", file=sys.stderr)
    return sorted(done, key=lambda one: (one.group, one.number)), errors


class Workshop:
    """A process that forks, and the projects that it harms, made when they are needed."""

    def __init__(self, box: Path, built: Project | None = None) -> None:
        """Name its folder; the demo project is a copy of one that was built, if that is given."""
        self.box, self._built = box, built
        self._projects: dict[str, Project] = {}

    def do(self, name: str, number: int, seed: str) -> list[Done]:
        """Do one case; what is drawn depends on the seed, the group and the number alone."""
        group = GROUPS[name]
        cases = group.one(self.project(group.project), random.Random(f"{seed}/{name}/{number}"), number)
        for case in cases:
            show(name, number, case)
        return [Done(name, number, case) for case in cases]

    def project(self, kind: str) -> Project:
        """Return the project of a kind."""
        if kind not in self._projects:
            box = self.box / kind
            if kind == "table":
                made = bad_tables.make_project(box, self.zygote)
            elif kind == "clips":
                made = bad_clips.make_clip_project(box, self.zygote)
            elif self._built:
                made = self._built.copy(box, self.zygote)
            else:
                made = Project(box, self.zygote)
                made.build()
            self._projects[kind] = made
        return self._projects[kind]

    def __enter__(self) -> Self:
        self.zygote = Zygote(self.box)
        return self

    def __exit__(self, *_: object) -> None:
        for project in self._projects.values():
            project.close()
        self.zygote.close()


def run_dvc(scratch: Path, names: Sequence[str], options: argparse.Namespace) -> list[Done]:
    """Kill `dvc repro` in chains of runs, then try remedies in what is finished."""
    done: list[Done] = []
    with Workshop(scratch / "dvc") as workshop:
        project = DvcProject(scratch / "dvc" / "under_dvc", workshop.project("demo"))
        name, number = "kills of dvc repro", 0
        wanted = len(numbers(DVC_GROUPS[name], options)) if name in names else 0
        while number < wanted:
            rng = random.Random(f"{options.seed}/{name}/{number}")
            kills = list(project.kill_until_done(rng, min(KILLS_OF_DVC, wanted - number)))
            case = project.finish(f"`dvc repro` killed {len(kills)} times, then run to its end")
            done += [Done(name, number + kill, case) for kill in range(len(kills))]
            number += max(1, len(kills))
            show(name, number, case)
        name = "remedies"
        if name in names:
            project.finish("as it was built")
            for number in numbers(DVC_GROUPS[name], options):
                case = project.damage_and_mend(random.Random(f"{options.seed}/{name}/{number}"), number)
                done.append(Done(name, number, case))
                show(name, number, case)
    return done


def show(name: str, number: int, case: Case) -> None:
    """Print a dot, or what is wrong, as soon as it is known."""
    failed = f"\n{name} {number}: {case.name}\n    {case.ending}: {case.wrong}\n"
    print("." if case.passed else failed, end="", flush=True)


def row(name: str, done: Sequence[Done]) -> dict[str, Any]:
    """Return the figures of a group.

    Returns:
        group; meets: what is a good end; cases, passed; endings: how many of each; failures: number, name, ending, wrong,
        shown of each case that was not met as it should be.
    """
    endings = Counter(one.case.ending for one in done)
    failures = [{"number": one.number} | asdict(one.case) for one in done if not one.case.passed]
    return {
        "group": name,
        "meets": GROUPS[name].meets if name in GROUPS else CONVERGES,
        "cases": len(done),
        "passed": len(done) - len(failures),
        "endings": ", ".join(f"{count} x {ending}" for ending, count in sorted(endings.items())),
        "failures": failures,
    }


def _share(rows: dict[str, dict[str, Any]], *names: str) -> float | None:
    cases = sum(rows[name]["cases"] for name in names if name in rows)
    return sum(rows[name]["passed"] for name in names if name in rows) / cases if cases else None


if __name__ == "__main__":
    sys.exit(main())
