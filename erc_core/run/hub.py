"""Where pretrained weights come from: a local folder, the hub's cache, or the hub; and one message when from nowhere."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from erc_core.errors import ErcError

EXPERIMENTS = (".dvc", "tmp", "exps")  # where DVC runs queued and temporary experiments, under the project's folder


def find_weights(name: str, key: str) -> str:
    """Return the local folder that a name means, or the name itself where it is one on the hub.

    A relative folder is looked for in the working folder and then, within DVC's queued and temporary experiments, in the
    project that they belong to: what Git ignores is not in their own folders.

    Raises:
        ErcError: The name is a path (it begins with models/, a dot, ~ or a slash) to no folder.
    """
    path = Path(name).expanduser()
    here = Path.cwd().parts
    projects = [Path(*here[:end]) for end in range(len(here)) if here[end : end + 3] == EXPERIMENTS]
    places = [path, *(project / path for project in projects)]
    for place in places:
        if place.is_dir():
            return str(place)
    if name.startswith(("models/", ".", "~", os.sep)):
        raise ErcError(
            f"{key} = {name!r}: no such folder (looked for {' and '.join(str(p.absolute()) for p in places)})"
        )
    return name


@contextmanager
def loading_pretrained(name: str, key: str, repository: str | None = None) -> Iterator[str]:
    """Yield where to load pretrained weights from, and turn any failure into one message that says how to mend it.

    `name` is a hub name or a local folder, and `key` the key of params.yaml that gives it, such as
    backbones.paper.bert.name. `repository` on the hub holds it; the name itself where None.

    Raises:
        ErcError: The block raised OSError, ValueError, RuntimeError or a hub error, or the name is a path to no folder.
    """
    source = find_weights(name, key)
    try:
        yield source
    except ErcError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        if Path(source).is_dir():
            raise ErcError(
                f"{key} = {name!r}: the folder is there but cannot be loaded ({type(error).__name__}: {reason})"
            ) from error
        raise ErcError(
            f"{key} = {name!r}: no such local folder, not in the hub's cache, and the hub did not give it "
            f"({type(error).__name__}: {reason}). Where there is a network, run `{fetch_command(repository or name, name)}`, copy the folder "
            f"here, and set {key} to its path; or use `backbone: tiny`, which needs no download."
        ) from error


def require_weights(name: str, key: str, missing: list[str]) -> None:
    """Refuse a pretrained model whose file lacks weights that are needed; transformers would make them up.

    Raises:
        ErcError: Some are missing.
    """
    if missing:
        raise ErcError(f"{key}.name = {name!r}: has no weights for {min(missing)} ({len(missing)} such)")


def fetch_command(repository: str, name: str) -> str:
    """Return the shell command that downloads a hub repository into models/, under the name it is used by."""
    return f"hf download {repository} --local-dir models/{name.split('/')[-1]}"


def quiet_transformers() -> None:
    """Switch off transformers' progress bars and load reports: what matters of them is checked and said by this project."""
    from transformers.utils import logging  # heavy, and not every stage that reads the hub's files needs it

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
