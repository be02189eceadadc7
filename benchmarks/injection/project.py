"""A small project that was built once, to be harmed and put back; and what its files say."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.injection.zygote import ROOT, Call, Outcome, Zygote
from benchmarks.workspace import Workspace

DATASET = "demo"
SMALL: dict[str, Any] = {
    "datasets": [DATASET],
    "demo.dialogues": {"train": 12, "dev": 4, "test": 5},
    "demo.max_turns": 6,
    "train.epochs": 3,
    "evaluate.bootstrap_samples": 200,
    "parallel.workers": 1,
    "parallel.threads": 1,
    "study.seeds": 1,
    "study.run": ["full", "scfa"],
    "study.variants.full.points": {"T": {"model.modality": "T"}, "T+A": {}},
    "study.variants.scfa.points": {"T+A": {}},
    "study.tables": {
        "comparison": {"title": "Comparison", "variants": ["scfa", "full"], "labels": {"scfa": "SCFA", "full": "JFM"}}
    },
}
# of JSON records: what differs between two runs that come to the same
CLOCK = {
    "seconds", "seconds_per_epoch", "peak_memory_mb", "latency_ms", "files", "commit", "continued_from", "load",
    "checksum",  # of a whole record
}  # fmt: skip
SCRATCH = ".scratch"


@dataclass(frozen=True)
class StageRun:
    """A stage for a dataset and a variant: what it reads and writes, as dvc.yaml says."""

    stage: str
    module: str
    arguments: tuple[str, ...]
    deps: tuple[str, ...]
    outs: tuple[str, ...]
    params: tuple[str, ...]  # keys of params.yaml

    def __str__(self) -> str:
        return " ".join((self.stage, *self.arguments))

    def reads(self, path: str) -> bool:
        """Tell whether a file, relative to the project, is among what it reads."""
        return any(path == dep or path.startswith(f"{dep}/") for dep in self.deps)

    def writes(self, path: str) -> bool:
        """Tell whether a file, relative to the project, is among what it writes."""
        return any(path == out or path.startswith(f"{out}/") for out in self.outs)


def pipeline(params: Mapping[str, Any]) -> list[StageRun]:
    """Return the runs that dvc.yaml asks for with these parameters, in its order."""
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    runs = []
    for name, stage in stages.items():
        matrix = stage.get("matrix", {})
        datasets = params["datasets"] if "dataset" in matrix else [""]
        variants = params["study"]["run"] if "variant" in matrix else [""]
        for dataset in datasets:
            for variant in variants:
                values = {
                    "${item.dataset}": dataset,
                    "${item.variant}": variant,
                    "${backbone}": params["backbone"],
                }

                def listed(*keys: str, stage: Any = stage, values: Mapping[str, str] = values) -> tuple[str, ...]:
                    entries = [entry for key in keys for entry in stage.get(key, [])]
                    names = [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]
                    for before, after in values.items():
                        names = [one.replace(before, after) for one in names]
                    return tuple(names)

                deps = tuple(dep for dep in listed("deps") if not dep.startswith(("stages/", "erc_core/")))
                if name == "report":  # DVC learns of these through data/results, which holds their checksums
                    deps += tuple(f"reports/{dataset}" for dataset in params["datasets"])
                arguments = tuple(filter(None, (dataset, variant)))
                module = stage["cmd"].split()[2]  # python -m MODULE
                runs.append(
                    StageRun(name, module, arguments, deps, listed("outs", "metrics", "plots"), listed("params"))
                )
    return runs


class Project:
    """A project in a folder of its own, beside a copy of how it was built and things that nobody may touch."""

    def __init__(self, box: Path, zygote: Zygote, changes: Mapping[str, Any] | None = None) -> None:
        """Make the folder; params.yaml is the project's with SMALL and these changes."""
        self.box, self.zygote = box, zygote
        self.folder, self.built = box / "project", box / "built"
        Workspace(self.folder).set({**SMALL, **(changes or {})})
        self.runs = pipeline(YAML(typ="safe").load(self.folder / "params.yaml"))
        sentinel = box / "sentinel"
        (sentinel / "inner").mkdir(parents=True, exist_ok=True)
        (sentinel / "secret.txt").write_text("nobody may read or change this\n", encoding="utf-8")
        self.outside = self.look_outside()
        self.costs: dict[str, Outcome] = {}  # of each stage, as it was built
        self._second: Zygote | None = None

    def build(self) -> None:
        """Run all stages, and keep the state as the one to come back to.

        Raises:
            RuntimeError: One fails.
        """
        for run in self.runs:
            outcome = self.run(run)
            if outcome.exit_code:
                raise RuntimeError(f"{run}: {outcome.errors}")
            self.costs[str(run)] = outcome
        self.keep()

    def copy(self, box: Path, zygote: Zygote) -> "Project":
        """Return a copy of a built project in another box."""
        other = Project(box, zygote)
        other.costs = self.costs
        shutil.copytree(self.built, other.built, symlinks=True)
        other.restore()
        return other

    def keep(self) -> None:
        """Keep the state as the one to come back to."""
        shutil.rmtree(self.built, ignore_errors=True)
        shutil.copytree(self.folder, self.built, symlinks=True)

    def call(self, run: StageRun, **done: Any) -> Call:
        """Return the call of a stage; see Call for what may be done to it."""
        return Call(run.module, run.arguments, self.folder, **done)

    def run(self, run: StageRun, **limits: Any) -> Outcome:
        """Run a stage; see Running.wait."""
        return self.zygote.run(self.call(run), **limits)

    @property
    def second(self) -> Zygote:
        """Another process that forks, for a second stage at the same time; closed with `close`."""
        if self._second is None:
            self._second = Zygote(self.box / "second")
        return self._second

    def close(self) -> None:
        """End what was started here."""
        if self._second:
            self._second.close()

    def restore(self) -> None:
        """Put the project back as it was built: files that differ in size or time are copied, what is new goes."""
        if not self.folder.is_dir():
            self.folder.mkdir()
        before, now = dict(_entries(self.built)), dict(_entries(self.folder))
        for path in sorted(now.keys() - before.keys(), reverse=True):
            remove(self.folder / path)
        for path, stamp in sorted(before.items()):
            if now.get(path) != stamp:
                source, target = self.built / path, self.folder / path
                if source.is_dir() and not source.is_symlink():
                    if not target.is_dir() or target.is_symlink():
                        remove(target)
                        target.mkdir()
                    continue
                remove(target)
                shutil.copy2(source, target, follow_symlinks=False)

    def remove_outputs(self, run: StageRun) -> None:
        """Remove what a stage writes, as DVC does before it runs one."""
        for out in run.outs:
            remove(self.folder / out)

    def files(self) -> list[str]:
        """Return the files that stages made, relative to the project: all but raw ones and parameters."""
        found = (path for path, stamp in _entries(self.built) if stamp[0] != "folder")
        return sorted(path for path in found if any(run.writes(path) for run in self.runs))

    def leftovers(self) -> list[str]:
        """Return the files that were not there when the project was built."""
        before = dict(_entries(self.built))
        return sorted(path for path, stamp in _entries(self.folder) if stamp[0] != "folder" and path not in before)

    def trespasses(self) -> list[str]:
        """Return what differs beside the project from what was there at the start."""
        now = self.look_outside()
        return sorted(path for path in now.keys() | self.outside.keys() if now.get(path) != self.outside.get(path))

    def look_outside(self) -> dict[str, Any]:
        """Return what lies beside the project that nobody may touch."""
        return dict(_entries(self.box / "sentinel")) | {
            entry.name: None for entry in (self.zygote.box / "home").iterdir()
        }


def results(folder: Path, run: StageRun) -> dict[str, str]:
    """Return a checksum for each file that a stage wrote; of JSON records without the clock's readings."""
    found: dict[str, str] = {}
    for out in run.outs:
        place = folder / out
        paths = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
        found |= {str(path.relative_to(folder)): _checksum(path) for path in paths}
    return found


def differences(folder: Path, reference: Path, runs: Sequence[StageRun]) -> list[str]:
    """Return the files of some stages that say other things than those of the reference, or are on one side only."""
    different = []
    for run in runs:
        ours, theirs = results(folder, run), results(reference, run)
        different += sorted(path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path))
    return different


def remove(path: Path) -> None:
    """Remove whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _checksum(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".json":
        with suppress(ValueError):  # damaged: it counts as it is
            content = json.dumps(_timeless(json.loads(content)), sort_keys=True).encode()
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items() if key not in CLOCK}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value


def _entries(folder: Path) -> Iterator[tuple[str, Any]]:
    for place, folders, names in os.walk(folder):
        for name in folders + names:
            path = Path(place, name)
            status = path.lstat()
            if path.is_dir() and not path.is_symlink():
                yield str(path.relative_to(folder)), ("folder",)
            else:
                yield str(path.relative_to(folder)), (status.st_mode, status.st_size, status.st_mtime_ns)
