"""Where pretrained weights come from: a local folder, the hub's cache, or the hub; and one message when from nowhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from erc_core.errors import ErcError


@contextmanager
def loading_pretrained(name: str, key: str, repository: str | None = None) -> Iterator[None]:
    """Turn any failure to find or read pretrained weights into one message that says how to mend it.

    `name` is a hub name or a local folder, and `key` the key of params.yaml that gives it, such as
    backbones.paper.bert.name. `repository` on the hub holds it; the name itself where None.

    Raises:
        ErcError: The block raised OSError, ValueError, RuntimeError or a hub error.
    """
    try:
        yield
    except ErcError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        if Path(name).is_dir():
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
