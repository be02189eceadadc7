"""The program `erc`: one file for each of its commands."""

import argparse
from collections.abc import Sequence

from erc_core.cli import export, predict, push
from erc_core.run.program import run_program

COMMANDS = (predict, export, push)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name; those of the process where they are None."""
    parser = argparse.ArgumentParser(prog="erc", description="Emotion recognition in conversation.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    options = parser.parse_args(arguments)
    run_program(lambda: options.run(options))
