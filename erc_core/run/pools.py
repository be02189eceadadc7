"""Spread work over processes, here or on a cluster: the results, and their order, do not depend on how many there are."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from erc_core.errors import ErcError
from erc_core.params.training import ParallelParams

Task = TypeVar("Task")
Result = TypeVar("Result")

AHEAD = 2  # tasks per worker that may wait for the one whose result is due
RESTARTS = 3  # times that killed processes are replaced while the result of one task is due


class Pool(Protocol):
    """Workers somewhere, as map_ordered uses them."""

    def workers(self) -> int:
        """Return how many tasks are worked on at once."""

    def submit(self, work: Callable[[Any], Any], task: Any) -> Any:
        """Hand out a task, and return a future of its result."""

    def first(self, work: Callable[[Any], Any], pending: deque[tuple[Any, Any]], label: Callable[[Any], str]) -> Any:
        """Wait for the result of the first of the pending (task, future), and take it out.

        Raises:
            ErcError: Workers died over it again and again; the message has the task's label.
        """


def worker_count(params: ParallelParams) -> int:
    """Return the number of processes to use: the parameter, or one for each core this process may run on."""
    return len(os.sched_getaffinity(0)) if params.workers == "auto" else params.workers


def processes_for(tasks: int, parallel: ParallelParams, least: int) -> int:
    """Return how many processes of this machine map_ordered spreads so many tasks over; at 1 it stays in this process."""
    return max(1, min(worker_count(parallel), tasks // least))


def map_ordered(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    parallel: ParallelParams,
    *,
    least: int = 1,
    label: Callable[[Task], str] = str,
) -> Iterator[Result]:
    """Apply a function to each task in worker processes, and yield the results in the order of the tasks.

    Results are handed on as they come, at most a few tasks per worker ahead, so memory does not grow with the corpus. A
    task whose worker dies is done again: work may be done twice, the second time over what the first one left.

    Work and tasks are pickled: make tasks large (a shard of utterances). With Dask they may go to other machines: paths in
    them have to be absolute. Each process of this machine gets `least` tasks or more; what is enough for one alone is done
    in this process. `label` names a task in a message.

    Raises:
        ErcError: Workers were killed over the same task again and again, or the cluster is not there.
    """
    if parallel.backend == "dask" and tasks:
        # dask is an extra, and importing it costs a second
        from erc_core.run.dask_cluster import Cluster

        with Cluster(str(parallel.scheduler)) as cluster:
            yield from _in_order(cluster, work, tasks, label)
        return
    workers = processes_for(len(tasks), parallel, least)
    if workers == 1:
        for task in tasks:
            yield work(task)
        return
    yield from _in_order(_Processes(workers), work, tasks, label)


def _in_order(
    pool: Pool, work: Callable[[Task], Result], tasks: Sequence[Task], label: Callable[[Task], str]
) -> Iterator[Result]:
    pending: deque[tuple[Task, Any]] = deque()
    try:
        for task in tasks:
            pending.append((task, pool.submit(work, task)))
            if len(pending) > AHEAD * pool.workers():
                yield pool.first(work, pending, label)
        while pending:
            yield pool.first(work, pending, label)
    finally:
        for _, future in pending:
            future.cancel()


class _Processes:
    """Processes of this machine."""

    # not joblib.Parallel: its generator hands out every task whether or not the results are taken

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def workers(self) -> int:
        return self._workers

    def submit(self, work: Callable[[Task], Result], task: Task) -> Future[Result]:
        # new processes, where the last ones are broken
        executor = get_reusable_executor(max_workers=self._workers, env={"OMP_NUM_THREADS": "1"})
        try:
            future: Future[Result] = executor.submit(work, task)
        except TerminatedWorkerError as error:
            future = Future()
            future.set_exception(error)
        return future

    def first(
        self,
        work: Callable[[Task], Result],
        pending: deque[tuple[Task, Future[Result]]],
        label: Callable[[Task], str],
    ) -> Result:
        for _ in range(RESTARTS + 1):
            try:
                result = pending[0][1].result()
            except TerminatedWorkerError:
                # one killed process ends them all, and with them every task that is not done
                for i, (task, future) in enumerate(pending):
                    if future.done() and isinstance(future.exception(), TerminatedWorkerError):
                        pending[i] = task, self.submit(work, task)
            else:
                pending.popleft()
                return result
        raise ErcError(
            f"{label(pending[0][0])}: worker processes were killed {RESTARTS + 1} times in a row during it or the "
            f"{AHEAD * self._workers} tasks after it, perhaps by lack of memory; lower parallel.workers ({self._workers} now) and "
            "run the same command again"
        )
