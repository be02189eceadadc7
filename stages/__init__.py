"""The stages of dvc.yaml, one script each."""

import gc
import sys

from erc_core.run.loading import end_in_one_line

# the default of 700 new objects looks for garbage hundreds of times while the libraries load, and finds none
gc.set_threshold(100_000, 20, 20)

if sys.argv[0] == "-m":  # `python -m stages.NAME` is about to load the stage
    end_in_one_line()
