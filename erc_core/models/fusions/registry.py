"""Every fusion by the name that model.fusion gives it."""

from erc_core.models.fusions.cfa import CFAFusion
from erc_core.models.fusions.concatenate import ConcatenateFusion
from erc_core.models.fusions.fusion import Fusion
from erc_core.models.fusions.jfm import JFM
from erc_core.models.fusions.late import LateFusion

FUSIONS: dict[str, type[Fusion]] = {
    "jfm": JFM,
    "late": LateFusion,
    "cfa": CFAFusion,
    "concatenate": ConcatenateFusion,
}
