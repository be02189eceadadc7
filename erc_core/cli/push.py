"""`erc push`: a model to the Hugging Face hub, where others find it by its name."""

import argparse
from pathlib import Path
from typing import Any

from erc_core.cli.parsing import new_command

DESCRIPTION = """Put a model on the Hugging Face hub, whole and with its card.

Read the card first: it says whose speech the model was trained on, and what those who own it allow."""


def add_parser(commands: Any) -> None:
    """Add the command to those of the program."""
    parser = new_command(commands, "push", "put a model on the Hugging Face hub", DESCRIPTION, run)
    parser.add_argument("model", metavar="MODEL", type=Path, help="a folder, such as data/demo/model")
    parser.add_argument("name", metavar="USER/NAME", help="what it is called on the hub")
    parser.add_argument("--private", action="store_true", help="only you, or your organisation, can see it")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be sent; no account and no network needed"
    )


def run(options: argparse.Namespace) -> int:
    """Say what goes to the hub, and send it unless this is a dry run."""
    from erc_core.sharing.push import is_logged_in, prepare_upload, upload

    planned = prepare_upload(options.model, options.name)
    seen = "private" if options.private else "public"
    print(
        f"push {options.model} to {planned.name} ({seen}): {len(planned.sizes)} files, {_in_words(sum(planned.sizes.values()))}"
    )
    for file, size in planned.sizes.items():
        print(f"  {file:<36} {_in_words(size):>10}")
    print(f"licence: {planned.card.get('license', 'none, so that nobody may use it; see its card')}")
    if "synthetic" in (planned.card.get("tags") or []):
        print("the model was trained on synthetic speech, as its card says")
    if options.dry_run:
        print("dry run: nothing was sent" + ("" if is_logged_in() else "; to send it, run `hf auth login` first"))
        return 0
    print(f"sent: {upload(planned, private=options.private)}")
    return 0


def _in_words(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"
