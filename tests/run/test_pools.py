import os
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from pools import Watched, processes

from erc_core.errors import ErcError
from erc_core.params.training import ParallelParams
from erc_core.run.pools import AHEAD, RESTARTS, map_ordered, worker_count
from erc_core.store.utterances import read_utterances


@pytest.mark.parametrize("workers", [1, 2, 9])
def test_results_come_in_the_order_of_the_tasks(workers):
    # later tasks are faster, so results are ready in another order
    delays = [0.08, 0.06, 0.04, 0.02, 0.0]
    assert list(map_ordered(partial(_sleep_and_return), delays, processes(workers))) == delays


def _sleep_and_return(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@pytest.mark.parametrize("workers", [1, 2])
def test_results_do_not_depend_on_the_number_of_workers(workers):
    arrays = [np.arange(n, dtype=np.float32).reshape(-1, 2) for n in (0, 2, 2000)]
    results = list(map_ordered(np.square, arrays, processes(workers)))
    assert all(np.array_equal(result, array**2) for result, array in zip(results, arrays, strict=True))
    assert {result.dtype for result in results} == {np.dtype(np.float32)}


def test_the_work_is_done_in_other_processes_with_one_thread_each(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    get_reusable_executor().shutdown(kill_workers=True)  # so that new ones start from this environment
    pids = set(map_ordered(_pid_and_threads, range(8), processes(2)))
    assert os.getpid() not in {pid for pid, _ in pids}
    assert {threads for _, threads in pids} == {"1"}


def _pid_and_threads(_: int) -> tuple[int, str | None]:
    time.sleep(0.01)
    return os.getpid(), os.environ.get("OMP_NUM_THREADS")


def test_one_worker_and_one_task_stay_in_this_process():
    assert set(map_ordered(lambda _: os.getpid(), range(3), processes(1))) == {os.getpid()}
    assert list(map_ordered(lambda _: os.getpid(), [0], processes(8))) == [os.getpid()]
    assert list(map_ordered(lambda _: os.getpid(), [], processes(8))) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_worker_reaches_the_caller(workers):
    with pytest.raises(ValueError, match="invalid literal"):
        list(map_ordered(int, ["1", "x", "3"], processes(workers)))
    # and with it the message for a user
    with pytest.raises(ErcError, match=r"nope/utterances\.parquet: not found; the stage ingest makes it"):
        list(map_ordered(read_utterances, [Path("nope")] * 3, processes(workers)))


@pytest.mark.parametrize("workers", [1, 2])
def test_results_before_an_error_are_handed_on(workers):
    results = map_ordered(int, ["1", "2", "x"], processes(workers))
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(ValueError, match="invalid literal"):
        next(results)


def test_what_a_killed_worker_did_is_done_again(tmp_path):
    tasks = [(number, tmp_path / f"killed {number}") for number in range(12)]
    assert list(map_ordered(_die_at_the_first_of_two, tasks, processes(2))) == list(range(12))
    assert [path.name for _, path in tasks if path.exists()] == ["killed 3", "killed 8"]


def _die_at_the_first_of_two(task: tuple[int, Path]) -> int:
    number, mark = task
    if number in (3, 8) and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_task_that_kills_every_worker_is_told_and_the_next_run_works(tmp_path):
    results = map_ordered(
        _die_at_5, [(n, tmp_path) for n in range(20)], processes(2), label=lambda task: f"n = {task[0]}"
    )
    taken = []
    with pytest.raises(
        ErcError, match=r"n = (\d): worker processes were killed 4 times in a row .*parallel\.workers \(2 now\)"
    ):
        taken.extend(results)  # what an error ends is kept
    assert len(list(tmp_path.iterdir())) >= RESTARTS + 1
    assert taken == list(range(len(taken)))
    assert list(map_ordered(abs, [-1, -2, -3], processes(2))) == [1, 2, 3]


def _die_at_5(task: tuple[int, Path]) -> int:
    number, folder = task
    if number == 5:
        (folder / str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_small_work_starts_no_processes():
    assert set(map_ordered(lambda _: os.getpid(), range(7), processes(2), least=4)) == {os.getpid()}
    assert os.getpid() not in set(map_ordered(_pid, range(8), processes(2), least=4))


def _pid(_: int) -> int:
    return os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_work_does_not_run_far_ahead_of_who_takes_the_results(workers):
    # a slow disk must not make the results of a whole corpus wait in memory
    tasks = Watched(range(100))
    results = map_ordered(abs, tasks, processes(workers))
    assert next(results) == 0
    time.sleep(0.3)
    assert tasks.taken <= 1 + AHEAD * workers
    assert next(results) == 1
    assert tasks.taken <= 2 + AHEAD * workers
    results.close()
    assert tasks.taken <= 2 + AHEAD * workers


def test_workers_are_counted():
    def params(workers: object) -> ParallelParams:
        return ParallelParams.model_construct(workers=workers)

    assert worker_count(params(3)) == 3
    assert worker_count(params("auto")) == len(os.sched_getaffinity(0))
