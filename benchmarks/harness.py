"""Time contenders in turns, compare each with ours, and keep the figures with what they were measured on.

Other processes slow a machine down for seconds at a time. So contenders run in turns, in another order in every round, and a
ratio is taken within a round before the median is taken over rounds.
"""

import argparse
import gc
import importlib.metadata
import importlib.util
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np
import polars as pl
import psutil
import torch

from erc_core.run.atomic import write_json

RESULTS = Path(__file__).parent / "results"
ENOUGH_ROUNDS = 5
TOTAL = "total"
NOT_INSTALLED = "not installed"

Role = Literal["ours", "variant", "peer", "floor"]
Parts = Mapping[str, float]


def command_line(name: str, doc: str, rounds: int = ENOUGH_ROUNDS) -> argparse.ArgumentParser:
    """Return the options that all benchmarks have.

    Args:
        name: Of the benchmark.
        doc: Its module's docstring, whose first line says what it measures.
        rounds: Timed runs of each contender, unless the user says otherwise.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=doc.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=rounds, help="timed runs of each contender")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON")
    return parser


def nothing() -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Contender:
    """One way to do the work.

    Attributes:
        name: Of the row.
        run: Does the work, all of it. It may return seconds of its parts; a part named "total" takes the place of the
            wall time.
        prepare: Runs before each run, untimed.
        role: "ours" is what the others are compared with, "variant" another way of ours, "floor" a bound and no peer.
        missing: Why it cannot run here; empty where it can.
    """

    name: str
    run: Callable[[], Parts | None]
    prepare: Callable[[], None] = nothing
    role: Role = "peer"
    missing: str = ""


@dataclass(frozen=True)
class Run:
    """One timed run: its seconds, and those of its parts."""

    seconds: float
    parts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """All timed runs of a contender, round by round; none, and a note, where it could not run."""

    name: str
    role: Role
    runs: list[Run]
    note: str = ""

    def part(self, name: str) -> "Measured":
        """Return the same with the seconds of one part."""
        return replace(self, runs=[Run(run.parts[name]) for run in self.runs])


def installed(package: str) -> bool:
    """Tell whether a package can be imported."""
    return importlib.util.find_spec(package) is not None


def measure(contenders: Sequence[Contender], rounds: int, *, warm: bool = True) -> list[Measured]:
    """Run every contender once untimed, then in each round once, in an order drawn anew for each round.

    A peer that raises in its untimed run is left out of the rounds and noted; an error of ours is raised.

    Args:
        contenders: Who takes part. Exactly one has the role "ours".
        rounds: Timed runs of each.
        warm: False leaves the untimed runs out, where the contenders have done the work before.

    Raises:
        ValueError: No round, or not exactly one contender is ours.
    """
    if rounds < 1 or [contender.role for contender in contenders].count("ours") != 1:
        raise ValueError("needs one round at least, and exactly one contender with the role 'ours'")
    notes = {contender.name: contender.missing for contender in contenders}
    for contender in contenders:
        if contender.missing or not warm:
            continue
        try:
            _timed(contender)
        except Exception as error:  # a peer may fail in any way, and the others are still worth a figure
            if contender.role in ("ours", "variant"):
                raise
            notes[contender.name] = f"fails: {type(error).__name__}"
    running = [contender for contender in contenders if not notes[contender.name]]
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    rng = np.random.default_rng(0)
    for _ in range(rounds):
        # not merely rotated: who runs after whom matters too, where a disk or a processor recovers from the one before
        for place in rng.permutation(len(running)):
            runs[running[place].name].append(_timed(running[place]))
    return [Measured(c.name, c.role, runs[c.name], notes[c.name]) for c in contenders]


def _timed(contender: Contender) -> Run:
    contender.prepare()
    gc.collect()
    start = time.perf_counter()
    parts = dict(contender.run() or {})
    seconds = time.perf_counter() - start
    return Run(parts.pop(TOTAL, seconds), parts)


def add_up(groups: Sequence[Sequence[Measured]]) -> list[tuple[Measured, Measured]]:
    """Add the groups of a benchmark up, for each contender over the groups that it could do.

    Returns:
        For each contender, its sums, and the sums of ours over the same groups; contenders that did nothing are left out.
    """
    totals = []
    for name in dict.fromkeys(measured.name for group in groups for measured in group):
        pairs = [(find(group, name), _ours(group)) for group in groups if any(m.name == name and m.runs for m in group)]
        if pairs:
            done = "" if len(pairs) == len(groups) else f"{len(pairs)} of {len(groups)} groups"
            own, ours = (_sum([pair[side] for pair in pairs]) for side in (0, 1))
            totals.append((replace(own, note=done), ours))
    return totals


def find(group: Sequence[Measured], name: str) -> Measured:
    """Return the contender of that name."""
    return next(measured for measured in group if measured.name == name)


def _ours(group: Sequence[Measured]) -> Measured:
    return next(measured for measured in group if measured.role == "ours")


def _sum(measured: Sequence[Measured]) -> Measured:
    runs = []
    for same_round in zip(*(m.runs for m in measured), strict=True):
        names = dict.fromkeys(name for run in same_round for name in run.parts)
        parts = {name: sum(run.parts.get(name, 0.0) for run in same_round) for name in names}
        runs.append(Run(sum(run.seconds for run in same_round), parts))
    return replace(measured[0], runs=runs)


def summarize(group: Sequence[Measured]) -> list[dict[str, Any]]:
    """Return one row for each contender of a group: medians, quartiles, and ratios to ours."""
    return [row(measured, _ours(group)) for measured in group]


def row(measured: Measured, ours: Measured) -> dict[str, Any]:
    """Return a contender's figures.

    Args:
        measured: The contender.
        ours: What it is compared with, over the same work and rounds.

    Returns:
        name, role, note; seconds: median, q1, q3, all; times_ours: the same of its seconds divided by ours of the same round,
        so above 1 it is slower than ours; parts: median seconds of each. Without a run, seconds and times_ours are None.
    """
    figures: dict[str, Any] = {"name": measured.name, "role": measured.role, "note": measured.note}
    if not measured.runs:
        return figures | {"seconds": None, "times_ours": None, "parts": {}}
    seconds = [run.seconds for run in measured.runs]
    ratios = [run.seconds / other.seconds for run, other in zip(measured.runs, ours.runs, strict=True)]
    parts = {name: median(run.parts[name] for run in measured.runs) for name in measured.runs[0].parts}
    return figures | {
        "seconds": {**spread(seconds), "all": seconds},
        "times_ours": {**spread(ratios), "all": ratios},
        "parts": parts,
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, q1 and q3."""
    q1, middle, q3 = np.quantile(values, [0.25, 0.5, 0.75])
    return {"median": float(middle), "q1": float(q1), "q3": float(q3)}


def goal(
    text: str, value: float | None, *, at_least: float | None = None, at_most: float | None = None
) -> dict[str, Any]:
    """Return a goal with the value reached and whether that is enough; without a value it is open (met is None)."""
    met = None
    if value is not None:
        met = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
    return {"goal": text, "at_least": at_least, "at_most": at_most, "value": value, "met": met}


def fastest_peer(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the smallest ratio to ours among the peers' rows; None where no peer ran."""
    return min((r["times_ours"]["median"] for r in rows if r["role"] == "peer" and r["times_ours"]), default=None)


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, memory, GPU, load. No names of hosts or people."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": model,
        "cores": cores,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_average_at_the_end": [round(load, 2) for load in os.getloadavg()],
    }


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the version of each package, or that it is not installed."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = NOT_INSTALLED
    return found


def print_groups(groups: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Print one table with the rows of all groups."""
    figures = []
    for group, rows in groups.items():
        for r in rows:
            seconds, ratio = r["seconds"] or {}, r["times_ours"] or {}
            parts = ", ".join(f"{name} {value:.3g} s" for name, value in r["parts"].items())
            figures.append(
                {
                    "group": group,
                    "contender": r["name"],
                    "median s": seconds.get("median"),
                    "q1": seconds.get("q1"),
                    "q3": seconds.get("q3"),
                    "times ours": ratio.get("median"),
                    "its q1": ratio.get("q1"),
                    "its q3": ratio.get("q3"),
                    "notes": "; ".join(filter(None, (r["note"], parts))),
                }
            )
    numbers = {name: pl.Float64() for name in ("median s", "q1", "q3", "times ours", "its q1", "its q3")}
    print_table(pl.DataFrame(figures, schema_overrides=numbers))


def print_table(table: pl.DataFrame) -> None:
    """Print all rows and columns of a table."""
    with pl.Config(
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=200,
        fmt_str_lengths=80,
        float_precision=3,
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
        tbl_formatting="ASCII_MARKDOWN",
    ):
        print(table)


def finish(
    name: str,
    *,
    rounds: int,
    settings: Mapping[str, Any],
    packages: Sequence[str],
    groups: Mapping[str, Sequence[Mapping[str, Any]]],
    outputs: Sequence[Mapping[str, Any]],
    goals: Sequence[Mapping[str, Any]],
    folder: Path = RESULTS,
) -> bool:
    """Print everything, and write it to folder/name.json.

    Args:
        name: Of the benchmark.
        rounds: Timed runs of each contender.
        settings: Sizes and parameters of the work.
        packages: Distributions whose versions matter.
        groups: Rows of each group.
        outputs: How each contender's output compares with ours; "agrees" tells whether it is within its tolerance.
        goals: From `goal`.
        folder: Where the JSON goes.

    Returns:
        Whether all outputs agree; where they do not, the times say nothing.
    """
    if groups:
        print_groups(groups)
    if outputs:
        print_table(pl.DataFrame(outputs, infer_schema_length=None))
    for g in goals:
        reached = "open, nothing to compare with" if g["value"] is None else f"{g['value']:.2f}"
        print(f"goal: {g['goal']}: {reached}{'' if g['met'] is None else ', met' if g['met'] else ', NOT met'}")
    agree = all(output["agrees"] for output in outputs)
    if groups and rounds < ENOUGH_ROUNDS:
        print(f"{rounds} rounds: a trial; figures to be quoted need {ENOUGH_ROUNDS}")
    if not agree:
        print("OUTPUTS DIFFER by more than the tolerance: the times above do not compare the same work")
    content = {
        "benchmark": name,
        "rounds": rounds,
        "machine": machine(),
        "versions": versions(packages),
        "settings": dict(settings),
        "goals": list(goals),
        "outputs": list(outputs),
        "groups": {group: list(rows) for group, rows in groups.items()},
    }
    write_json(folder / f"{name}.json", content)
    return agree
