"""Spread work over processes so that the results, and their order, do not depend on how many there are."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TypeVar

from joblib.externals.loky import get_reusable_executor

from erc_core.params.training import ParallelParams

Task = TypeVar("Task")
Result = TypeVar("Result")

AHEAD = 2  # tasks per worker that may wait for the one whose result is due


def worker_count(params: ParallelParams) -> int:
    """Return the number of processes to use: the parameter, or one for each core this process may run on."""
    return len(os.sched_getaffinity(0)) if params.workers == "auto" else params.workers


def map_ordered(work: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    """Apply a function to each task in worker processes, and yield the results in the order of the tasks.

    Results are handed on as they come, at most a few tasks per worker ahead, so memory does not grow with the corpus.

    Args:
        work: A function that can be pickled.
        tasks: What to apply it to; make tasks large (a shard of utterances), as each is sent to another process.
        workers: Number of processes; with 1, or a single task, the work is done in this one.

    Yields:
        One result for each task.
    """
    workers = min(workers, len(tasks))
    if workers <= 1:
        for task in tasks:
            yield work(task)
        return
    # not joblib.Parallel: its generator hands out every task whether or not the results are taken
    executor = get_reusable_executor(max_workers=workers, env={"OMP_NUM_THREADS": "1"})
    pending: deque[Future[Result]] = deque()
    try:
        for task in tasks:
            pending.append(executor.submit(work, task))
            if len(pending) > AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
