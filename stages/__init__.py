"""The stages of dvc.yaml, one script each."""

import sys

from erc_core.run.loading import begin_loading

if sys.argv[0] == "-m":  # `python -m stages.NAME` is about to load the stage
    begin_loading()
