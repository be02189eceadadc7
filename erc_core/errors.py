"""The errors that a user can mend: each one is a single clear message and an exit code."""

import shlex
from pathlib import Path


class ErcError(Exception):
    """Something outside the code is wrong; the message says what, where, and how to mend it."""

    exit_code = 1


class ParamsError(ErcError):
    """params.yaml asks for something impossible. Found before any work starts."""

    exit_code = 2


def damaged(path: Path, problem: str, stage: str = "") -> ErcError:
    """Return the error of a file of the pipeline that is not what its stage wrote; names the stage where it is given."""
    maker = f"; the stage {stage} makes it" if stage else ""
    return ErcError(
        f"{path}: {problem}{maker}; run `python -m erc_core.run.mend {shlex.quote(str(path))}`, then `dvc repro`"
    )
