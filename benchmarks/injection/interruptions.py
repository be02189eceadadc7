"""Kills, Ctrl-C, full disks, and the same stage twice at once: what comes after has to come to the same numbers."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.injection.inside import NO_MOUNT
from benchmarks.injection.project import Project, StageRun, differences
from benchmarks.injection.verdict import Case, harm, judge, message_of
from benchmarks.injection.zygote import ROOT, Outcome

SECOND_KILL = 0.3  # share of kills after which the next try is killed too
LOADING_SECONDS = 3.0  # in which a stage imports what it needs
DISK_WORDS = ("disk", "No space left", "room")


def kill(project: Project, rng: random.Random) -> Case:
    """Kill a stage, before one of its file operations or at a time, and run it again."""
    run = rng.choice(project.runs)
    project.restore()
    removed = rng.random() < 0.5
    if removed:
        project.remove_outputs(run)
    name = f"{run}, {'outputs removed as DVC does' if removed else 'outputs of before in place'}"
    for _ in range(2 if rng.random() < SECOND_KILL else 1):
        how, outcome = _killed(project, run, rng)
        name += f", killed {how}"
        word, wrong = ("", "") if outcome.exit_code == -signal.SIGKILL and not outcome.stopped else harm(outcome)
        if wrong:  # a process that lost the one that it had started, and what it said then
            return Case(name, word, wrong, {"errors": outcome.errors[-1500:]})
    return _again(project, run, name)


def _killed(project: Project, run: StageRun, rng: random.Random) -> tuple[str, Outcome]:
    cost = project.costs[str(run)]
    if rng.random() < 0.7:
        operation = rng.randint(1, max(1, cost.operations))
        return f"before file operation {operation}", project.zygote.run(project.call(run, kill_before=operation))
    after, group = rng.uniform(0.05, cost.seconds), rng.random() < 0.5
    how = f"after {after:.2f} s{', with the processes it started' if group else ''}"
    return how, project.run(run, after=after, group=group)


def interrupt(project: Project, rng: random.Random) -> Case:
    """Press Ctrl-C while a stage runs, and run it again."""
    run = rng.choice(project.runs)
    project.restore()
    after = rng.uniform(0.05, project.costs[str(run)].seconds)
    name = f"{run}, Ctrl-C after {after:.2f} s"
    case = judge(name, _ended_by_ctrl_c(project.run(run, after=after, send=signal.SIGINT)))
    return _again(project, run, name) if case.passed else case


def interrupt_loading(project: Project, rng: random.Random) -> Case:
    """Press Ctrl-C while Python loads a stage, in a process of its own."""
    run = rng.choice(project.runs)
    project.restore()
    after = rng.uniform(0.02, LOADING_SECONDS)
    name = f"{run}, Ctrl-C after {after:.2f} s, while it loads"
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", run.module, *run.arguments],
        cwd=project.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        printed, errors = process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
    outcome = Outcome(process.returncode, printed, errors, time.perf_counter() - start, 0)
    return judge(name, _ended_by_ctrl_c(outcome))


def _ended_by_ctrl_c(outcome: Outcome) -> Outcome:
    """Return the outcome; to end by the signal itself, as other programs do, and perhaps say nothing, is a good end."""
    if outcome.exit_code != -signal.SIGINT:
        return outcome
    said = outcome.errors if message_of(outcome) else "ended by Ctrl-C"
    return replace(outcome, exit_code=128 + signal.SIGINT, errors=said)


def fill_disk(project: Project, rng: random.Random) -> Case | None:
    """Run a stage on a disk that fills up, and again on one that does not; None where no disk can be mounted."""
    run = rng.choice(project.runs)
    project.restore()
    project.remove_outputs(run)
    needed = sum(_bytes_below(project.built / out) for out in run.outs)
    room = int(rng.random() ** 2 * needed)
    name = f"{run}, {room:,} bytes free for outputs of {needed:,}"
    outcome = project.zygote.run(project.call(run, room=room))
    if outcome.exit_code == NO_MOUNT:
        return None
    case = judge(name, outcome, told=DISK_WORDS)
    return _again(project, run, name) if case.passed else case


def run_twice(project: Project, rng: random.Random) -> Case:
    """Run the same stage twice at once: both end well, or one says that another is at it; the results are whole."""
    run = rng.choice(project.runs)
    project.restore()
    removed = rng.random() < 0.5
    if removed:
        project.remove_outputs(run)
    delay = rng.uniform(0, 0.6 * project.costs[str(run)].seconds)
    name = f"{run} twice, the second {delay:.2f} s after the first{', outputs removed before' if removed else ''}"
    first = project.zygote.start(project.call(run))
    time.sleep(delay)
    second = project.second.start(project.call(run))
    outcomes = first.wait(), second.wait()
    for outcome in outcomes:
        case = judge(name, outcome)
        if not case.passed:
            return case
    if all(outcome.exit_code for outcome in outcomes):
        return Case(name, "refused", f"both ended with a message: {' / '.join(message_of(outcomes[0]))[:300]}")
    different = differences(project.folder, project.built, [run])
    if different:
        return Case(name, "numbers", f"differ: {', '.join(different)}")
    return _again(project, run, name)


def _again(project: Project, run: StageRun, name: str) -> Case:
    """Judge the next run of a stage that was interrupted: it ends well, in the same numbers, and leaves nothing."""
    outcome = project.run(run)
    different = [*differences(project.folder, project.built, [run]), *(f"left: {p}" for p in project.leftovers())]
    return judge(
        f"{name}, then run again",
        outcome,
        different=different,
        trespasses=project.trespasses(),
        must_end_well=True,
    )


def _bytes_below(path: Path) -> int:
    paths = [path] if path.is_file() else path.rglob("*")
    return sum(one.stat().st_size for one in paths if one.is_file())
