"""What the command lines of several commands share."""

import argparse
from collections.abc import Callable
from typing import Any


def new_command(
    commands: Any, name: str, summary: str, description: str, run: Callable[[argparse.Namespace], object]
) -> argparse.ArgumentParser:
    """Add a command to those of the program, and return the parser of its arguments."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(run=run)
    return parser


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model, and what finding it takes: arguments of Predictor.from_pretrained."""
    parser.add_argument("model", metavar="MODEL", help="a folder, such as data/demo/model, or USER/NAME on the hub")
    parser.add_argument("--text-encoder", metavar="FOLDER", help="where the pretrained text encoder lies, if elsewhere")
    parser.add_argument("--revision", help="of a model on the hub: a branch, a tag or a commit")
