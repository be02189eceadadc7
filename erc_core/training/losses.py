"""The training loss: cross entropy on the averaged logits, and the contrastive term."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from erc_core.models.batch import Output
from erc_core.params.model import ICLParams
from erc_core.training.icl import icl_loss


@dataclass(frozen=True)
class Losses:
    """The parts of a batch's loss, float32 scalars.

    Attributes:
        total: L = L_ERC + lambda L_ICL.
        erc: L_ERC, cross entropy on the averaged logits.
        icl: L_ICL; 0 where lambda is 0, as it is not computed then.
    """

    total: Tensor
    erc: Tensor
    icl: Tensor


def training_loss(output: Output, labels_B: Tensor, params: ICLParams) -> Losses:
    """Return the loss of a batch."""
    erc = F.cross_entropy(output.logits_BC.float(), labels_B)
    if params.weight == 0:
        return Losses(erc, erc.detach(), torch.zeros_like(erc))
    icl = icl_loss(output.features_BF, labels_B, temperature=params.temperature, normalize=params.normalize)
    return Losses(erc + params.weight * icl, erc.detach(), icl.detach())
