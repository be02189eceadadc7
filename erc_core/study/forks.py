"""Run work in processes of its own, so that seeds share the cores and each one's memory can be told from the others'."""

import multiprocessing
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import TypeVar

from erc_core.errors import ErcError

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_apart(work: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[tuple[int, Result]]:
    """Run each task in a forked process of its own, some at a time, and yield the results as they come.

    A fork shares what this process has loaded, features and libraries, without copying it, and is ready at once. One
    process for each task, as a process that has worked before keeps memory, and its peak would be that of another task.

    Args:
        work: What to do; it may be a closure, as nothing of it is sent. It must not touch a GPU.
        tasks: What to do it with.
        workers: Processes at a time.

    Yields:
        (place of the task, its result).

    Raises:
        ErcError: A task failed (its own ErcError, or the trace of any other error), or its process was killed.
    """
    context = multiprocessing.get_context("fork")
    waiting = deque(enumerate(tasks))
    running: dict[Connection, tuple[int, ForkProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                place, task = waiting.popleft()
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_send_result, args=(work, task, sender), daemon=True)
                process.start()
                sender.close()
                running[receiver] = place, process
            for ready in wait(list(running)):
                receiver = ready  # type: ignore[assignment]
                place, process = running.pop(receiver)
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
                yield place, result
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
