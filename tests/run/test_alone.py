import os
import signal
import subprocess
import sys

import pytest
from closure import ROOT

from erc_core.errors import ErcError
from erc_core.run.alone import LOCKS, only_one

HOLD = """
import sys, time
from erc_core.run.alone import only_one
with only_one(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path, monkeypatch):
    """Return a process that is at the work `stages.train demo`."""
    monkeypatch.chdir(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, "python -m stages.train demo"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_same_work_is_refused_and_other_work_is_not(holder):
    with pytest.raises(ErcError) as caught, only_one("python -m stages.train demo"):
        pytest.fail("was begun")
    assert str(caught.value) == (
        f"another process (process {holder.pid}) is at this work, `python -m stages.train demo`: wait until it ends, or end it"
    )
    for other in ("python -m stages.train meld", "python -m stages.mel demo", "python -m stages.train"):
        with only_one(other):
            pass


def test_a_kill_lets_go_of_it(holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    for _ in range(2):
        with only_one("python -m stages.train demo"):
            assert LOCKS.is_dir()


def test_a_fork_that_outlives_the_work_does_not_hold_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = HOLD.replace("time.sleep(60)", "import os; pid = os.fork(); pid or time.sleep(30); os._exit(0)")
    ended = subprocess.Popen(
        [sys.executable, "-c", code, "stages.study demo full"], env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    ended.wait(20)
    with only_one("stages.study demo full"):
        pass
