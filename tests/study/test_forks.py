import os
import signal
import time

import pytest

from erc_core.errors import ErcError
from erc_core.study.forks import run_in_forks


def test_every_task_has_a_process_of_its_own_and_its_result_comes_back():
    results = dict(run_in_forks(lambda task: (task * task, os.getpid()), [3, 4, 5], workers=2))
    assert {task: square for task, (square, _) in results.items()} == {3: 9, 4: 16, 5: 25}
    pids = {pid for _, pid in results.values()}
    assert len(pids) == 3
    assert os.getpid() not in pids


def test_no_more_than_the_workers_run_at_a_time(tmp_path):
    def work(task):
        start = time.monotonic()
        (tmp_path / str(task)).touch()
        time.sleep(0.2)
        return start, time.monotonic()

    spans = []
    for _, span in run_in_forks(work, range(5), workers=2):
        spans.append(span)
        assert len(list(tmp_path.iterdir())) <= len(spans) + 1  # none was started before another ended
    for start, _ in spans:
        assert sum(begin <= start < end for begin, end in spans) <= 2


def test_a_task_sees_what_the_process_holds_without_sending_it():
    unpicklable = (number for number in range(3))
    assert dict(run_in_forks(lambda _: type(unpicklable).__name__, [0], workers=1)) == {0: "generator"}


def test_a_killed_process_is_told_with_what_to_do():
    with pytest.raises(ErcError, match=r"exit code -9.*run the same command again.*parallel\.workers=1"):
        list(run_in_forks(lambda _: os.kill(os.getpid(), signal.SIGKILL), [0], workers=1))


def test_a_tasks_own_error_arrives_as_it_is_and_any_other_with_its_trace():
    def raise_ours(_):
        raise ErcError("the loss is not finite")

    with pytest.raises(ErcError, match=r"^the loss is not finite$"):
        list(run_in_forks(raise_ours, [0], workers=1))
    with pytest.raises(ErcError, match="ZeroDivisionError"):
        list(run_in_forks(lambda task: 1 / task, [0], workers=1))


def test_the_others_are_ended_when_one_fails(tmp_path):
    def work(task):
        if task == 0:
            raise ErcError("first")
        time.sleep(1.5)
        (tmp_path / "went on").touch()

    with pytest.raises(ErcError, match="first"):
        list(run_in_forks(work, [0, 1], workers=2))
    time.sleep(2)
    assert not (tmp_path / "went on").exists()
