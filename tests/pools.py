"""Where tests let work be done: processes of this machine, or a Dask cluster on the loopback interface."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from erc_core.params.training import ParallelParams


def processes(workers: int) -> ParallelParams:
    return ParallelParams(backend="processes", scheduler=None, workers=workers, threads="auto")


def behind(scheduler: str) -> ParallelParams:
    return ParallelParams(backend="dask", scheduler=scheduler, workers=1, threads="auto")


class Watched(list):
    """A list that counts how many of its elements were taken."""

    taken = 0

    def __iter__(self):
        for element in super().__iter__():
            self.taken += 1
            yield element


@contextmanager
def local_cluster(workers: int, threads: int = 1) -> Iterator[Any]:
    """Yield a cluster of processes on loopback, whose scheduler gives a task up after the second worker that dies."""
    import dask
    from distributed import LocalCluster

    settings = {"distributed.scheduler.allowed-failures": 1, "distributed.worker.profile.enabled": False}
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=threads,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        ) as cluster,
    ):
        yield cluster
