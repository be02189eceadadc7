"""Workers of a Dask cluster that somebody else started: on SLURM, Kubernetes, over SSH, or here."""

import logging
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, Self, TypeVar

from erc_core.errors import ErcError, ParamsError
from erc_core.run.provenance import code_hash

Task = TypeVar("Task")
Result = TypeVar("Result")

SCHEDULER_SECONDS = 20  # until a scheduler that does not answer is an error
WORKER_SECONDS = 900  # until a cluster without any worker is an error; they may be waiting in a queue
LOOK_SECONDS = 2.0  # between two looks at which workers there are

CODE = code_hash("", "../stages")  # of what this process has loaded: files may change later
_ALONE = threading.Lock()


class Cluster:
    """The workers behind a Dask scheduler. Use as a context manager; see erc_core.run.pools.Pool.

    Dask does a task again whose worker died, and gives it up after its setting `distributed.scheduler.allowed-failures`
    (3, unless the scheduler's configuration says otherwise).
    """

    def __init__(self, address: str) -> None:
        """Connect to a scheduler, such as tcp://host:8786.

        Raises:
            ParamsError: Dask is not installed.
            ErcError: No scheduler answers there.
        """
        try:
            from distributed import Client
        except ImportError:
            raise ParamsError(
                "parallel.backend = dask: the packages dask and distributed are not installed: run "
                '`pip install "erc-core[cluster]"` (in a checkout: `pip install -e ".[cluster]"`), '
                "or take parallel.backend=processes"
            ) from None
        self.address = address
        # the futures say in one line that a scheduler went away
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        try:
            self._client: Any = Client(address, timeout=SCHEDULER_SECONDS, name="erc-core", set_as_default=False)
        except (OSError, ValueError) as error:  # a TimeoutError is an OSError
            reason = " ".join(str(error).split())
            raise ErcError(
                f"parallel.scheduler = {address}: no Dask scheduler answers there within {SCHEDULER_SECONDS} s "
                f"({reason}); start one with `dask scheduler`, see docs/scaling.md"
            ) from None
        self._threads = 0
        self._looked = -LOOK_SECONDS
        self._met = time.monotonic()
        self._has_warned = False

    def workers(self) -> int:
        """Return how many threads the cluster has now; 1 while it has none."""
        return max(1, self._count_threads())

    def submit(self, work: Callable[[Task], Result], task: Task) -> Any:
        """Hand out a task; the work is done again, not looked up, where the same task was done before."""
        return self._client.submit(_work_alone, work, task, CODE, pure=False)

    def first(
        self, work: Callable[[Task], Result], pending: deque[tuple[Task, Any]], label: Callable[[Task], str]
    ) -> Result:
        """Wait for the first result, as long as there are workers.

        Raises:
            ErcError: Every worker that took the task died, all workers are gone, the scheduler is, or a worker has
                other code or packages.
        """
        from distributed import KilledWorker

        task, future = pending[0]
        while not future.done():
            self._require_workers()
            with suppress(Exception):  # of the task, or of the wait: what is the task's comes again below
                future.result(timeout=LOOK_SECONDS)
        try:
            result: Result = future.result()
        except KilledWorker as error:
            raise ErcError(
                f"{label(task)}: {error.allowed_failures + 1} workers of {self.address} died over it, the last one "
                f"{error.last_worker.address}, perhaps by lack of memory; see its log, give workers more, and run the "
                "same command again"
            ) from None
        except CancelledError:
            raise ErcError(
                f"parallel.scheduler = {self.address}: the scheduler is gone; start it and run the same command again"
            ) from None
        except (ImportError, RuntimeError) as error:
            # the scheduler, which unpacks tasks too, gives it as the cause of a RuntimeError
            missing = error if isinstance(error, ImportError) else error.__cause__
            if not isinstance(missing, ImportError):
                raise
            raise ErcError(
                f"parallel.scheduler = {self.address}: the scheduler or a worker cannot import what the work needs "
                f"({missing}); start both in this project's environment"
            ) from None
        pending.popleft()
        return result

    def _count_threads(self) -> int:
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            try:
                self._threads = sum(self._client.nthreads().values())
            except (OSError, RuntimeError):  # the scheduler went away: the futures say so
                self._threads = 0
            self._looked = now
        if self._threads:
            self._met = now
        return self._threads

    def _require_workers(self) -> None:
        if self._count_threads():
            return
        if not self._has_warned:
            self._has_warned = True
            print(f"{self.address} has no workers; waiting for them for {WORKER_SECONDS} s", file=sys.stderr)
        if time.monotonic() - self._met > WORKER_SECONDS:
            raise ErcError(
                f"{self.address}: no worker for {WORKER_SECONDS} s; start workers with `dask worker {self.address}` "
                "and run the same command again"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.close()


def _work_alone(work: Callable[[Task], Result], task: Task, code: str) -> Result:
    """Do a task on a worker, one at a time in a process: not all of what the work calls is made for threads."""
    if code != CODE:
        raise ErcError(
            f"the Dask worker on {socket.gethostname()} has loaded other code of this project, or other package versions, "
            "than the stage runs; restart the workers in this environment"
        )
    with _ALONE:
        return work(task)
