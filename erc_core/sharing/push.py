"""A model's folder to the Hugging Face hub, by huggingface_hub: what would be sent, and sending it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, ModelCard, get_token
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from erc_core.errors import ErcError
from erc_core.store.checksums import FOLDER_FILE, files_under
from erc_core.store.model_folder import CARD_FILE, CONFIG_FILE, verify_model

OF_THE_HUB = ".gitattributes"  # which the hub writes itself


@dataclass(frozen=True)
class Upload:
    """A model that was found whole, and what of it goes to the hub."""

    folder: Path
    name: str  # on the hub, USER/NAME
    sizes: dict[str, int]  # bytes of each file
    card: dict[str, Any]  # the head of its card


def prepare_upload(folder: Path, name: str) -> Upload:
    """Look at a model and at the name that it is to have. Nothing is sent.

    Raises:
        ErcError: There is no whole model, it has no card or one that the hub cannot read, or the name is none.
    """
    _check_name(name)
    if not (folder / CONFIG_FILE).is_file():
        raise ErcError(f"{folder}: holds no model; name the folder that the stage pack makes, such as data/demo/model")
    verify_model(folder)
    if not (folder / CARD_FILE).is_file():
        raise ErcError(
            f"{folder / CARD_FILE}: not found; a model goes to others with its card: push the folder model/ that the stage "
            "pack makes beside this one"
        )
    try:
        head = ModelCard((folder / CARD_FILE).read_text(encoding="utf-8")).data.to_dict()  # type: ignore[no-untyped-call]
    except Exception as error:  # of YAML, of UTF-8, or of the hub's own checks
        reason = " ".join(str(error).split())[:200]
        raise ErcError(
            f"{folder / CARD_FILE}: its head, between the two lines ---, is not readable ({reason})"
        ) from None
    names = sorted([FOLDER_FILE, *(file for file in files_under(folder) if not file.startswith("."))])
    return Upload(folder, name, {file: (folder / file).stat().st_size for file in names}, head)


def _check_name(name: str) -> None:
    problem = "" if name.count("/") == 1 else "it has not the form USER/NAME"
    try:
        validate_repo_id(name)
    except ValueError as error:
        problem = problem or " ".join(str(error).split())[:200]
    if problem:
        raise ErcError(f"{name!r} is no name on the hub: {problem}")


def is_logged_in() -> bool:
    """Return whether a token of an account of the hub is known here; it is not tried."""
    return get_token() is not None


def upload(planned: Upload, *, private: bool) -> str:
    """Make the repository where there is none, and send the files in one commit. Returns its address.

    Raises:
        ErcError: No account is known, the hub refuses, or the repository there is public or holds something else.
    """
    if not is_logged_in():
        raise ErcError(
            "no account of the Hugging Face hub is known here: run `hf auth login` (or set HF_TOKEN), then the same command; "
            "with --dry-run it says what would be sent"
        )
    api = HfApi()
    with _telling(planned.name):
        api.create_repo(planned.name, private=private or None, exist_ok=True)
        there = api.model_info(planned.name)
    if private and not there.private:
        raise ErcError(
            f"{planned.name} is public already: make it private in its settings on the hub, or choose another name"
        )
    others = sorted({file.rfilename for file in there.siblings or []} - planned.sizes.keys() - {OF_THE_HUB})
    if others:
        raise ErcError(
            f"{planned.name} holds {others[0]!r}, which is not of this model ({len(others)} such), and who loads a model with "
            "files that its checksums do not know is refused: delete them on the hub, or choose another name"
        )
    with _telling(planned.name):
        done = api.upload_folder(
            repo_id=planned.name,
            folder_path=planned.folder,
            allow_patterns=list(planned.sizes),
            commit_message="A model of erc-core, with its card",
        )
    return str(done.repo_url)


@contextmanager
def _telling(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of the network, of its library, of the hub: whatever it is, the model was not taken
        reason = " ".join(str(error).split())[:300]
        raise ErcError(
            f"{name}: the hub did not take it ({type(error).__name__}: {reason}); `hf auth whoami` says who you are there"
        ) from error
