"""Where interrupted work waits to be continued: .scratch/, or where ERC_SCRATCH points."""

import os
from pathlib import Path

SCRATCH_VARIABLE = "ERC_SCRATCH"


def scratch_folder(kind: str) -> Path:
    """Return the folder for one kind of unfinished work; it is not made here.

    DVC deletes a stage's outputs before it runs, and a queued experiment runs in a folder of its own: what is to outlive
    that lies apart, and with queued experiments under an absolute path in ERC_SCRATCH.
    """
    return Path(os.environ.get(SCRATCH_VARIABLE, ".scratch")) / kind
