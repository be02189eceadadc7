"""`dvc repro`, killed again and again until it is done; and the remedies that messages name, tried."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.injection.damage import harm_file
from benchmarks.injection.project import Project, differences, remove
from benchmarks.injection.verdict import Case
from benchmarks.injection.zygote import ROOT

LONGEST_LIFE = 14.0  # seconds that a run lives, at most: longer than any stage, so that there is progress
MADE = ("data", "reports", ".scratch", "dvc.lock")
COMMAND = re.compile(r"`((?:dvc|python|rm) [^`]+)`")
DAMAGED = ("mel.h5", "text.h5", "audio.h5", "utterances.parquet", "trained/model.safetensors")

AT_WORK, MOST_WAITS = "is at this work", 100


class DvcProject:
    """A copy of the project's code under DVC, with the parameters of a project that was built without it."""

    def __init__(self, folder: Path, like: Project) -> None:
        self.folder, self.like = folder, like
        ignored = shutil.ignore_patterns("__pycache__", "tmp", "cache", "config.local")
        for name in ("erc_core", "stages", ".dvc"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        for name in ("dvc.yaml", ".dvcignore"):
            shutil.copy(ROOT / name, folder / name)
        shutil.copy(like.built / "params.yaml", folder / "params.yaml")
        for name in ("reports", "models"):
            (folder / name).mkdir()
        self._dvc("config", "--local", "core.no_scm", "true").wait()
        # the report prints seconds
        self.compared = [run for run in like.runs if run.stage != "report"]

    def kill_until_done(self, rng: random.Random, most: int) -> Iterator[int]:
        """Start from nothing, and kill one run after another; yield the number of kills so far, until one run ends.

        Args:
            rng: When to kill, and whom: DVC alone, or its stage too.
            most: Kills, after which a run may end.
        """
        for name in (*MADE, ".dvc/cache", ".dvc/tmp"):
            remove(self.folder / name)
        (self.folder / "reports").mkdir()
        kills = 0
        while kills < most:
            process = self._dvc("repro")
            try:
                process.wait(rng.uniform(1.0, LONGEST_LIFE))
            except subprocess.TimeoutExpired:
                if rng.random() < 0.5:
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.kill()  # its stage works on, and meets the next run
                process.wait()
                kills += 1
                yield kills
            else:
                return

    def finish(self, name: str) -> Case:
        """Run to the end, and compare with the project that was built in one piece."""
        code, said = self._end(self._dvc("repro"))
        waited = 0
        while AT_WORK in said and waited < MOST_WAITS:  # the stage of a DVC that was killed: the message says to wait
            time.sleep(1)
            waited += 1
            code, said = self._end(self._dvc("repro"))
        if code:
            return Case(name, "refused", f"`dvc repro` ends with exit code {code}", {"errors": said[-2000:]})
        different = differences(self.folder, self.like.built, self.compared)
        if different:
            return Case(name, "numbers", f"differ: {', '.join(different)[:300]}")
        return Case(name, "same numbers")

    def damage_and_mend(self, rng: random.Random, number: int) -> Case:
        """Damage a file of a finished project, run a stage that reads it, and do what its message says."""
        path = f"data/{self.like.runs[1].arguments[0]}/{DAMAGED[number % len(DAMAGED)]}"
        kind = ("truncate", "flip")[number // len(DAMAGED) % 2]
        # it may be a link into DVC's cache, which trusts what nobody may write to, as it was before
        mode = (self.folder / path).stat().st_mode
        (self.folder / path).chmod(0o644)
        place = harm_file(self.folder / path, kind, rng, [])
        (self.folder / path).chmod(mode)
        run = next(run for run in self.like.runs if run.reads(path) and run.stage != "card")
        name = f"{kind} {path} ({place}) under DVC, then {run}"
        process = self._start([sys.executable, "-m", run.module, *run.arguments])
        code, said = self._end(process)
        if not code:
            return Case(name, "numbers", "the stage ends well", {"errors": said[-2000:]})
        line = said.strip().splitlines()[-1]
        done = []
        if "delete it" in line:
            remove(self.folder / path)
            done.append(f"deleted {path}")
        for command in COMMAND.findall(line):
            self._end(self._start(["/bin/sh", "-c", command]))
            done.append(command)
        shown = {"message": line, "done": done}
        case = self.finish(f"{name}, then {'; '.join(done)}; then dvc repro")
        return Case(
            case.name, case.ending, case.wrong and f"{case.wrong}; it had said: {line[:300]}", shown | case.shown
        )

    def _dvc(self, *arguments: str) -> "subprocess.Popen[str]":
        return self._start([sys.executable, "-m", "dvc", *arguments])

    def _start(self, command: list[str]) -> "subprocess.Popen[str]":
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
            "OMP_NUM_THREADS": "1",
            "DVC_NO_ANALYTICS": "1",
        }
        log = (self.folder.parent / "dvc.log").open("w")
        with log:
            return subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, text=True, start_new_session=True
            )

    def _end(self, process: "subprocess.Popen[str]") -> tuple[int, str]:
        try:
            code = process.wait(600)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
        return code, (self.folder.parent / "dvc.log").read_text("utf-8", "replace")
