"""Run each task in a process of its own, so that seeds share the cores and the memory of each can be measured."""

import multiprocessing
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import TypeVar, cast

from erc_core.errors import ErcError

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_in_forks(work: Callable[[Task], Result], tasks: Iterable[Task], workers: int) -> Iterator[tuple[Task, Result]]:
    """Run each task in a forked process of its own, some at a time, and yield the results as they come.

    A fork shares what this process has loaded, features and libraries, without copying it, and is ready at once. One
    process for each task, as a process that has worked before keeps memory, and its peak would be that of another task.

    The work may be a closure, as nothing of it is sent. It must not touch a GPU.

    Raises:
        ErcError: A task failed (its own ErcError, or the trace of any other error), or its process was killed.
    """
    context = multiprocessing.get_context("fork")
    waiting = deque(tasks)
    running: dict[Connection, tuple[Task, ForkProcess]] = {}  # by the end of the pipe that the result comes through
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_send_result, args=(work, waiting[0], sender), daemon=True)
                process.start()
                sender.close()
                running[receiver] = waiting.popleft(), process
            for ready in wait(list(running)):
                receiver = cast("Connection", ready)
                task, process = running.pop(receiver)
                try:
                    result, error = receiver.recv()
                except EOFError:
                    process.join()
                    raise ErcError(
                        f"a training process ended with exit code {process.exitcode} (-9: killed, often for lack of "
                        "memory). What it had done is kept: run the same command again; parallel.workers=1 needs less memory"
                    ) from None
                process.join()
                if error is not None:
                    raise error
                yield task, result
    finally:
        for _, process in running.values():
            process.terminate()


def _send_result(work: Callable[[Task], Result], task: Task, sender: Connection) -> None:
    try:
        sender.send((work(task), None))
    except ErcError as error:
        sender.send((None, error))
    except KeyboardInterrupt:
        pass
    except BaseException:
        sender.send((None, ErcError(f"a training process failed:\n{traceback.format_exc()}")))
