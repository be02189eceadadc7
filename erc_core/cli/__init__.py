"""The program `erc`, or `python -m erc_core`."""

import sys
from pathlib import Path

from erc_core.run.loading import begin_loading

if Path(sys.argv[0]).stem in ("erc", "__main__"):  # it is about to load its commands
    begin_loading()
