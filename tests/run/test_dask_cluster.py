import os
import signal
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pools import Watched, behind, local_cluster

from erc_core.errors import ErcError, ParamsError
from erc_core.run import dask_cluster as cluster
from erc_core.run.pools import AHEAD, map_ordered

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dask():
    with local_cluster(workers=2) as running:
        yield behind(running.scheduler_address)


def test_results_come_in_the_order_of_the_tasks_from_other_processes(dask):
    delays = [0.08, 0.06, 0.04, 0.02, 0.0]
    results = list(map_ordered(_sleep_and_tell, delays, dask))
    assert [seconds for seconds, _ in results] == delays
    assert len({pid for _, pid in results} - {os.getpid()}) == 2


def _sleep_and_tell(seconds: float) -> tuple[float, int]:
    time.sleep(seconds)
    return seconds, os.getpid()


def test_nothing_to_do_needs_no_cluster():
    assert list(map_ordered(abs, [], behind("tcp://127.0.0.1:1"))) == []


def test_arrays_come_back_and_the_same_task_is_done_each_time(dask):
    arrays = [np.arange(3.0)] * 3
    assert all(np.array_equal(result, [0, 1, 4]) for result in map_ordered(np.square, arrays, dask))
    assert len(set(map_ordered(_moment, [0] * 5, dask))) == 5


def _moment(_: int) -> int:
    return time.monotonic_ns()


def test_an_error_in_a_worker_reaches_the_caller_after_the_results_before_it(dask):
    results = map_ordered(int, ["1", "2", "x"], dask)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(ValueError, match="invalid literal"):
        next(results)
    with pytest.raises(ErcError, match=r"^to be mended$"):
        list(map_ordered(_raise, [ErcError("to be mended"), ErcError("later")], dask))
    with pytest.raises(TimeoutError, match=r"^of the work$"):
        list(map_ordered(_raise, [TimeoutError("of the work")], dask))


def _raise(error: Exception) -> None:
    raise error


def test_work_does_not_run_far_ahead_of_who_takes_the_results(dask):
    tasks = Watched(range(100))
    results = map_ordered(abs, tasks, dask)
    assert next(results) == 0
    assert tasks.taken == 1 + AHEAD * 2
    assert next(results) == 1
    results.close()
    assert tasks.taken == 2 + AHEAD * 2


def test_what_a_killed_worker_did_is_done_again(dask, tmp_path):
    assert list(map_ordered(_die_once, [(n, tmp_path / "mark") for n in range(12)], dask)) == list(range(12))
    assert (tmp_path / "mark").exists()


def _die_once(task: tuple[int, Path]) -> int:
    number, mark = task
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_task_that_kills_every_worker_is_told_and_the_next_run_works(dask):
    with pytest.raises(
        ErcError, match=r"shard of -1: 2 workers of tcp://127\.0\.0\.1:\d+ died over it, the last one tcp"
    ):
        list(map_ordered(_die, [-1], dask, label=lambda task: f"shard of {task}"))
    assert list(map_ordered(abs, [-1, -2, -3], dask)) == [1, 2, 3]


def _die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_does_one_task_at_a_time_whatever_its_threads():
    with local_cluster(workers=1, threads=3) as running:
        spans = sorted(map_ordered(_span, range(6), behind(running.scheduler_address)))
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def _span(_: int) -> tuple[float, float]:
    start = time.monotonic()
    time.sleep(0.05)
    return start, time.monotonic()


# ---- what a user can mend -------------------------------------------------------------------------------------------


def test_workers_with_other_code_are_refused(dask, monkeypatch):
    monkeypatch.setattr(cluster, "CODE", "edited since")
    with pytest.raises(ErcError, match=r"the Dask worker on .* has loaded other code .*; restart the workers"):
        list(map_ordered(abs, [1], dask))


def test_a_cluster_without_the_project_is_told(dask):
    told = r"the scheduler or a worker cannot import what the work needs \(No module named 'x'\); start both in this "
    for work in (_import, _import_for_the_scheduler):
        with pytest.raises(ErcError, match=told):
            list(map_ordered(work, [1], dask))
    with pytest.raises(RuntimeError, match=r"^of the work$"):
        list(map_ordered(_raise, [RuntimeError("of the work")], dask))


def _import(_: int) -> None:
    raise ModuleNotFoundError("No module named 'x'")


def _import_for_the_scheduler(_: int) -> None:
    raise RuntimeError("Error during deserialization") from ModuleNotFoundError("No module named 'x'")


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch):
    monkeypatch.setattr(cluster, "SCHEDULER_SECONDS", 0.3)
    told = r"parallel\.scheduler = tcp://127\.0\.0\.1:1: no Dask scheduler answers there within 0\.3 s \(.*`dask scheduler`"
    with pytest.raises(ErcError, match=told):
        list(map_ordered(abs, [1], behind("tcp://127.0.0.1:1")))


def test_a_cluster_without_workers_is_waited_for_and_told(monkeypatch, capsys):
    monkeypatch.setattr(cluster, "WORKER_SECONDS", 0.4)
    monkeypatch.setattr(cluster, "LOOK_SECONDS", 0.1)
    with local_cluster(workers=0) as running:
        told = r"tcp://127\.0\.0\.1:\d+: no worker for 0\.4 s; start workers with `dask worker tcp"
        with pytest.raises(ErcError, match=told):
            list(map_ordered(abs, [1, 2], behind(running.scheduler_address)))
    assert capsys.readouterr().err.count("has no workers; waiting for them") == 1


def test_workers_that_come_later_are_waited_for():
    with local_cluster(workers=0) as running:
        timer = threading.Timer(0.5, running.scale, [1])
        timer.start()
        assert list(map_ordered(abs, [-1, -2, -3], behind(running.scheduler_address))) == [1, 2, 3]
        timer.join()


def test_a_scheduler_that_goes_away_is_told(monkeypatch):
    monkeypatch.setattr(cluster, "LOOK_SECONDS", 0.1)
    with local_cluster(workers=1) as running:
        results = map_ordered(_sleep_and_tell, [0.0, 60.0], behind(running.scheduler_address))
        assert next(results)[0] == 0.0
        running.close()
        with pytest.raises(ErcError, match="the scheduler is gone; start it and run the same command again"):
            next(results)


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(
        ParamsError, match=r"dask and distributed are not installed: .*`pip install -e \"\.\[cluster\]\"`"
    ):
        list(map_ordered(abs, [1], behind("tcp://127.0.0.1:8786")))
