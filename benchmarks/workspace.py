"""A folder in which stages run as `dvc repro` runs them, with parameters of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
# Linux counts what a process held before it became another program: so a small one starts the stage, and asks
LAUNCHER = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.call(sys.argv[2:])
used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
with open(sys.argv[1], "w") as file:
    json.dump(used, file)
sys.exit(code)
"""


@dataclass(frozen=True)
class Used:
    """What a process used: wall time, and the memory of the largest of its processes."""

    seconds: float
    peak_mib: float


class Workspace:
    """An empty copy of the project: its params.yaml, changed, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "reports").mkdir(exist_ok=True)

    def set(self, changes: Mapping[str, Any]) -> None:
        """Write params.yaml anew.

        Args:
            changes: Values by dotted key, such as {"train.seed": 1}; the rest is the project's.
        """
        yaml = YAML(typ="safe")
        params = yaml.load(ROOT / "params.yaml")
        for key, value in changes.items():
            *sections, last = key.split(".")
            section = params
            for name in sections:
                section = section[name]
            section[last] = value
        yaml.dump(params, self.folder / "params.yaml")

    def build(self, stage: str) -> Used:
        """Run a stage for the demo corpus; the one that speaks it takes no name of a dataset."""
        return self.run(stage, *(() if stage == "demo" else ("demo",)))

    def run(self, *command: str) -> Used:
        """Run a stage in a process of its own: its name and its arguments.

        Raises:
            RuntimeError: It fails; holds what it printed.
        """
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        log, told = self.folder / "log.txt", self.folder / "used.json"
        command = (sys.executable, "-m", f"stages.{command[0]}", *command[1:])
        with log.open("w") as output:
            code = subprocess.call(
                (sys.executable, "-c", LAUNCHER, str(told.absolute()), *command),
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        if code:
            raise RuntimeError(f"{' '.join(command)}: {log.read_text()[-2000:]}")
        seconds, peak = json.loads(told.read_text(encoding="utf-8"))
        return Used(seconds, peak * (1 if sys.platform == "darwin" else 1024) / 2**20)
