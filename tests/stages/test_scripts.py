"""The scripts of the stages, as a person or an editor starts and interrupts them."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from closure import ROOT

SCRIPTS = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def run_in(folder, *command):
    """Run a script with Python in a folder that has params.yaml and nothing else of the project."""
    shutil.copy(ROOT / "params.yaml", folder)
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_no_script_hides_a_module_of_the_standard_library():
    assert not {*SCRIPTS} & sys.stdlib_module_names


@pytest.mark.parametrize("name", ["ingest", "tokens", "train"])
def test_a_script_runs_by_its_path(tmp_path, name):
    """As by an editor's run button: the folder of the scripts then comes first among those that imports are looked for in."""
    ran = run_in(tmp_path, ROOT / "stages" / f"{name}.py", "demo")
    assert ran.returncode == 1, ran.stderr
    assert ran.stderr.count("\n") == 1
    assert "Traceback" not in ran.stderr
    assert "dvc repro" in ran.stderr


@pytest.mark.parametrize(
    ("command", "first", "seconds"),
    [(["stages.study", "demo", "full"], "stages", seconds) for seconds in (0.3, 0.6, 1.0, 2.0)]
    + [(["erc_core", "predict", "model", "talk.wav"], "erc_core.cli", seconds) for seconds in (0.1, 0.4)],
)
def test_an_interrupt_while_a_program_loads_is_one_line(tmp_path, command, first, seconds):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", *command],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # the package is loaded first, and with it what takes the signal
        lines = iter(process.stderr.readline, "")
        assert any(line.split("|")[-1].strip() == first for line in lines)
        time.sleep(seconds / 10)
        process.send_signal(signal.SIGINT)
        told = [line for line in lines if not line.startswith("import time:")]
        assert process.wait(20) == 130
    assert told == ["interrupted while loading: nothing had begun\n"]


LATE = """
import atexit, os, signal, time
from erc_core.run.stage import run_stage

def main(params):
    atexit.register(time.sleep, 5)
    atexit.register(os.kill, os.getpid(), signal.SIGINT)

run_stage(main)
"""


def test_an_interrupt_while_a_stage_is_unloaded_prints_nothing(tmp_path):
    """Its work is done then; libraries that are interrupted in their last functions would print their stacks."""
    (tmp_path / "late.py").write_text(LATE, encoding="utf-8")
    ran = run_in(tmp_path, "late.py")
    assert (ran.returncode, ran.stderr) == (-signal.SIGINT, "")
