"""What every stage does around its work: command line, parameters, one clear message for what a user can mend."""

import argparse
import inspect
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from erc_core.errors import ErcError, ParamsError
from erc_core.params.load import load_params
from erc_core.params.schema import Params
from erc_core.run.alone import only_one
from erc_core.run.program import run_program

KEYS = {"dataset": "datasets", "variant": "study.variants"}  # of params.yaml, for the arguments of a stage


def run_stage(work: Callable[[Params], None]) -> None:
    """Run a stage that concerns all datasets; see run_dataset_stage."""
    _arguments(work)
    _run(lambda: work(load_params()), name=_name(work))


def launched_processes() -> int:
    """Return how many processes `accelerate launch` or `torchrun` started, on all machines; 1 without them."""
    return max(1, int(os.environ.get("WORLD_SIZE") or 1))


def run_dataset_stage(work: Callable[[Params, str], None], *, distributed: bool = False) -> None:
    """Run a stage for the dataset named on the command line.

    params.yaml is checked as a whole before any work starts. An ErcError is printed to standard error as it is, one
    line for each mistake, and ends the process with its exit code (2 for parameters, 1 for anything else, also a full
    disk). The same work of two processes at once is refused; several may run a `distributed` stage together.
    """
    dataset = _arguments(work, "dataset").dataset
    _run(lambda: work(_params_with(dataset), dataset), name=_name(work, dataset), distributed=distributed)


def run_variant_stage(work: Callable[[Params, str, str], None]) -> None:
    """Run a stage for the dataset and the variant of the study named on the command line; see run_dataset_stage."""
    arguments = _arguments(work, "dataset", "variant")

    def checked() -> None:
        params = _params_with(arguments.dataset)
        if arguments.variant not in params.study.variants:
            raise ParamsError(
                f"variant {arguments.variant!r} is not under `study.variants`: allowed are {list(params.study.variants)}"
            )
        work(params, arguments.dataset, arguments.variant)

    _run(checked, name=_name(work, arguments.dataset, arguments.variant))


def _params_with(dataset: str) -> Params:
    params = load_params()
    if dataset not in params.ingest:
        raise ParamsError(f"dataset {dataset!r} has no section under `ingest`: allowed are {list(params.ingest)}")
    return params


def _arguments(work: Callable[..., None], *names: str) -> argparse.Namespace:
    module = inspect.getmodule(work)
    parser = argparse.ArgumentParser(
        prog=f"python -m {_name(work)}",
        description=(module.__doc__ if module else "") or "",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for argument in names:
        parser.add_argument(argument, help=f"a name from `{KEYS[argument]}` in params.yaml")
    return parser.parse_args()


def _name(work: Callable[..., None], *arguments: str) -> str:
    module = inspect.getmodule(work)
    file = getattr(module, "__file__", None) or "stage"
    # a script that is run by its path, as editors do, has no spec
    name = module.__spec__.name if module and module.__spec__ else f"stages.{Path(file).stem}"
    return " ".join((name, *arguments))


def _run(work: Callable[[], None], *, name: str, distributed: bool = False) -> None:
    def alone() -> None:
        if not distributed:
            _require_one_process()
        # of processes that train together the first one stands for all
        with nullcontext() if distributed and os.environ.get("RANK", "0") != "0" else only_one(f"python -m {name}"):
            work()

    run_program(alone)


def _require_one_process() -> None:
    if launched_processes() > 1:
        raise ErcError(
            f"started as one of {launched_processes()} processes (WORLD_SIZE), but only stages.train can be launched that way: "
            f"run this stage with `python -m`, and unset WORLD_SIZE if nothing launched it"
        )
