"""A folder in which stages run as `dvc repro` runs them, with parameters of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]


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

    def run(self, *command: str) -> Used:
        """Run a stage in a process of its own: its name and its arguments.

        Raises:
            RuntimeError: It fails; holds what it printed.
        """
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        log = self.folder / "log.txt"
        start = time.perf_counter()
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", f"stages.{command[0]}", *command[1:]],
                cwd=self.folder, env=environment, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)}: {log.read_text()[-2000:]}")
        unit = 1 if sys.platform == "darwin" else 1024
        return Used(seconds, usage.ru_maxrss * unit / 2**20)
