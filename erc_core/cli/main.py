"""The program `erc`: one file for each of its commands."""

import argparse
import sys
from collections.abc import Sequence

from erc_core.cli import predict

COMMANDS = (predict,)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="erc")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    options = parser.parse_args(arguments)
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
