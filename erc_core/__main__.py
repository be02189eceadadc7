"""`python -m erc_core` is `erc`."""

from erc_core.cli.main import main

main()
