"""Damaged files between stages: what reads one says so, or comes to the same numbers."""

import random

from benchmarks.injection.damage import DAMAGES, harm_file
from benchmarks.injection.project import SCRATCH, Project, differences
from benchmarks.injection.verdict import Case, judge

KINDS = (*DAMAGES, "swap")
TRIES = 8  # kills until one leaves unfinished work


def plan(project: Project) -> list[tuple[str, str]]:
    """Return every file that a later stage reads, with every kind of damage, in one order that looks random."""
    made = (path for path in project.files() if not path.startswith("data/raw/"))
    read = [path for path in made if any(run.reads(path) for run in project.runs)]
    pairs = [(path, kind) for path in read for kind in KINDS]
    random.Random(0).shuffle(pairs)
    return pairs


def corrupt(project: Project, rng: random.Random, number: int) -> list[Case]:
    """Damage a file that a stage made, and run each stage that reads it."""
    pairs = plan(project)
    path, kind = pairs[number % len(pairs)]
    cases, seed = [], rng.random()
    for run in project.runs:
        if not run.reads(path):
            continue
        project.restore()
        place = _harm(project, path, kind, random.Random(seed))  # the same for each stage
        project.remove_outputs(run)
        outcome = project.run(run)
        different = differences(project.folder, project.built, [run]) if not outcome.exit_code else []
        name = f"{kind} {path} ({place}), then {run}"
        outs = [out for maker in project.runs for out in maker.outs if path.startswith(f"{out}/")]
        told = (path, path.rsplit("/", 1)[-1], *outs)
        cases.append(judge(name, outcome, different=different, told=told, trespasses=project.trespasses()))
    return cases


def corrupt_scratch(project: Project, rng: random.Random) -> Case:
    """Damage what a killed stage left to be continued from, and run it again: it starts anew, or that part does."""
    unfinished = [run for run in project.runs if run.stage in ("resample", "mel", "train", "study")]
    run = rng.choice(unfinished)
    for _ in range(TRIES):
        project.restore()
        project.remove_outputs(run)
        after = rng.uniform(0.3, 1.0) * project.costs[str(run)].seconds
        project.run(run, after=after)
        found = (project.folder / SCRATCH).rglob("[!.]*")  # what has its final name
        left = sorted(path for path in found if path.is_file() and path.parent.name != "locks")
        if left:
            break
    else:
        return Case(f"{run}, killed {TRIES} times", "same numbers", shown={"message": "left nothing to be damaged"})
    path, kind = rng.choice(left), rng.choice(KINDS)
    relative = str(path.relative_to(project.folder))
    place = _harm(project, relative, kind, rng)
    outcome = project.run(run)
    different = [*differences(project.folder, project.built, [run]), *(f"left: {p}" for p in project.leftovers())]
    name = f"{run}, killed after {after:.2f} s, {kind} {relative} ({place}), then run again"
    return judge(name, outcome, different=different, must_end_well=True, trespasses=project.trespasses())


def _harm(project: Project, path: str, kind: str, rng: random.Random) -> str:
    others = [project.built / other for other in project.files()]
    return harm_file(project.folder / path, kind, rng, [other for other in others if other != project.built / path])
