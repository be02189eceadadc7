"""The errors that a user can mend: each one is a single clear message and an exit code."""

import shlex
from pathlib import Path


class ErcError(Exception):
    """Something outside the code is wrong; the message says what, where, and how to mend it."""

    exit_code = 1


class ParamsError(ErcError):
    """params.yaml asks for something impossible. Found before any work starts."""

    exit_code = 2


class DamagedError(ErcError):
    """A file of the pipeline is not what its stage wrote: what is told of it, and the remedy within the project."""

    def __init__(self, told: str, remedy: str) -> None:
        super().__init__(told, remedy)  # both, as workers send errors to each other
        self.told = told

    def __str__(self) -> str:
        return "; ".join(self.args)


def damaged(path: Path, problem: str, stage: str = "") -> DamagedError:
    """Return the error of a file of the pipeline that is not what its stage wrote; names the stage where it is given."""
    maker = f"; the stage {stage} makes it" if stage else ""
    remedy = f"run `python -m erc_core.run.mend {shlex.quote(str(path))}`, then `dvc repro`"
    return DamagedError(f"{path}: {problem}{maker}", remedy)


def not_found(path: Path | str, stage: str) -> DamagedError:
    """Return the error of a file of the pipeline that is not there."""
    return DamagedError(f"{path}: not found", f"the stage {stage} makes it: run `dvc repro`")
