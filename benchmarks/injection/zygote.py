"""Stages in processes that start at once: a process that has imported everything, and forks one for each run.

Starting Python and importing torch takes seconds, a fork none. The fork runs a stage as `python -m` would.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import psutil

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 60.0
LIMIT_BYTES = 4 * 2**30
POLL_SECONDS = 0.25
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__")


@dataclass(frozen=True)
class Call:
    """A run of a module in a project's folder, and what is done to its process from inside."""

    module: str
    arguments: tuple[str, ...]
    project: Path
    kill_before: int | None = None  # the file operation before which it kills itself, from 1
    room: int | None = None  # bytes free on its disk; None for the disk as it is

    @property
    def words(self) -> str:
        """The command, as a user would type it."""
        return " ".join(("python -m", self.module, *self.arguments))


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    exit_code: int  # negative: killed by this signal
    printed: str
    errors: str  # what went to standard error
    seconds: float
    operations: int  # on files
    stopped: Literal["", "time", "memory"] = ""  # whether it went over a limit, and was killed


class Running:
    """A run that has begun."""

    def __init__(self, zygote: "Zygote", call: Call, pid: int, log: Path) -> None:
        self._zygote, self.call, self.pid, self._log = zygote, call, pid, log
        self._start = time.perf_counter()

    def wait(
        self,
        *,
        limit: float = LIMIT_SECONDS,
        after: float | None = None,
        send: signal.Signals = signal.SIGKILL,
        group: bool = True,
    ) -> Outcome:
        """Wait for the end.

        Args:
            limit: Seconds after which it is killed, and said to hang.
            after: Seconds from its start after which it is sent a signal; None for never.
            send: The signal.
            group: Whether processes that it started get it too, as they do from a terminal.
        """
        stopped: Literal["", "time", "memory"] = ""
        while (code := self._zygote.answer(self._until(after))) is None:
            seconds = time.perf_counter() - self._start
            if after is not None and seconds >= after:
                self._signal(send, group=group)
                after = None
            if seconds > limit or self._memory() > LIMIT_BYTES:
                stopped = "time" if seconds > limit else "memory"
                self._signal(signal.SIGKILL, group=True)
        seconds = time.perf_counter() - self._start
        self._signal(signal.SIGKILL, group=True)  # what it left running, if anything
        printed, errors = (self._log.with_suffix(s).read_text("utf-8", "replace") for s in (".out", ".err"))
        return Outcome(int(code), printed, errors, seconds, self._log.with_suffix(".count").stat().st_size, stopped)

    def _until(self, after: float | None) -> float:
        if after is None:
            return POLL_SECONDS
        return max(0.0, min(POLL_SECONDS, self._start + after - time.perf_counter()))

    def _signal(self, number: signal.Signals, *, group: bool) -> None:
        with suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.pid, number)

    def _memory(self) -> int:
        try:
            process = psutil.Process(self.pid)
            return sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))
        except psutil.Error:
            return 0


class Zygote:
    """The process that forks; use as a context manager. It does one run at a time."""

    def __init__(self, box: Path) -> None:
        """Start it.

        Args:
            box: Folder for what its runs print, their home and their temporary files; their projects lie in it.
        """
        self.box = box
        for name in ("home", "tmp", "logs"):
            (box / name).mkdir(parents=True, exist_ok=True)
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.injection.zygote"],
            cwd=ROOT,
            env=os.environ | one_thread | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._ready = False

    def start(self, call: Call) -> Running:
        """Begin a run."""
        assert self._server.stdin
        if not self._ready:
            self._ready = bool(self.answer(None))
        log = self.box / "logs" / "run"
        request = {"call": asdict(call), "log": str(log), "box": str(self.box)}
        self._server.stdin.write(json.dumps(request, default=str).encode() + b"\n")
        return Running(self, call, int(self.answer(None) or 0), log)

    def run(self, call: Call, **limits: Any) -> Outcome:
        """Run to the end; see Running.wait."""
        return self.start(call).wait(**limits)

    def answer(self, timeout: float | None) -> str | None:
        """Return the next thing that the process says; None where it says nothing for so many seconds."""
        assert self._server.stdout
        if not select.select([self._server.stdout], [], [], timeout)[0]:
            return None
        line = self._server.stdout.readline()
        if not line:
            raise RuntimeError("the process that forks has ended")
        return line.decode().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()


def serve() -> None:
    """Import what stages import, and fork for each line of standard input; the forks return from here when they end."""
    _warm_up()
    gc.collect()
    gc.freeze()  # a fork that collects what it shares would copy it
    answers = os.dup(1)
    _answer(answers, "ready")
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            os.close(answers)
            _become(json.loads(line))
            return
        _answer(answers, pid)
        _answer(answers, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _answer(answers: int, value: object) -> None:
    os.write(answers, f"{value}\n".encode())


def _warm_up() -> None:
    from benchmarks.injection.inside import tell_of

    for module, names in (
        ("h5py", ("File.__init__", "File.close")),
        ("polars", ("DataFrame.write_parquet",)),
        ("torch", ("save",)),
        ("safetensors.torch", ("save_file",)),
        ("soundfile", ("write",)),
    ):
        for name in names:
            *path, last = name.split(".")
            owner: Any = importlib.import_module(module)
            for part in path:
                owner = getattr(owner, part)
            tell_of(owner, last)
    for stage in STAGES:
        importlib.import_module(f"stages.{stage}")
    for module in ("espeakng_loader", "matplotlib.backends.backend_agg", "torchaudio", "erc_core.run.dask_cluster"):
        try:
            importlib.import_module(module)
        except ImportError:
            continue  # an extra


def _become(request: Mapping[str, Any]) -> None:
    """Run the module in this process."""
    from benchmarks.injection import inside

    os.setsid()
    call, log, box = request["call"], Path(request["log"]), Path(request["box"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for descriptor, path in ((0, Path(os.devnull)), (1, log.with_suffix(".out")), (2, log.with_suffix(".err"))):
        flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        opened = os.open(path, flags, 0o644)
        os.dup2(opened, descriptor)
        os.close(opened)
    project, told = Path(call["project"]), log.with_suffix(".count")
    told.unlink(missing_ok=True)
    told.touch()
    os.environ |= {"HOME": str(box / "home"), "TMPDIR": str(box / "tmp")}
    os.chdir(project)
    if call["room"] is not None:
        inside.on_a_small_disk(project, call["room"])
    inside.OPERATIONS.append(inside.Operations(call["kill_before"], told, Path.cwd()))
    sys.modules.pop(call["module"], None)  # it was imported, and is now run
    sys.argv[:] = [call["module"], *call["arguments"]]
    sys.path[:] = [str(project), *(path for path in sys.path if path)]
    runpy.run_module(call["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve()
