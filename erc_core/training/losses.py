"""The training loss: cross entropy on the logits, and inter-class contrastive learning (ICL, Eq. 6-7)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from erc_core.models.batch import Output
from erc_core.params.model import ICLParams


@dataclass(frozen=True)
class Losses:
    """The parts of a batch's loss, float32 scalars."""

    total: Tensor  # L = L_ERC + lambda L_ICL
    erc: Tensor  # L_ERC, cross entropy on the logits
    icl: Tensor  # L_ICL; 0 where lambda is 0, as it is not computed then


def training_loss(output: Output, labels_B: Tensor, params: ICLParams) -> Losses:
    """Return the loss of a batch."""
    erc = F.cross_entropy(output.logits_BC.float(), labels_B)
    if params.weight == 0:
        return Losses(erc, erc.detach(), torch.zeros_like(erc))
    icl = icl_loss(output.features_BF, labels_B, temperature=params.temperature, normalize=params.normalize)
    return Losses(erc + params.weight * icl, erc.detach(), icl.detach())


def icl_loss(features_KF: Tensor, labels_K: Tensor, *, temperature: float, normalize: bool = True) -> Tensor:
    """Return the supervised contrastive loss of a batch: utterances of one emotion are drawn together.

        L_ICL = mean over anchors i of  -1/|P(i)|  sum_{p in P(i)}  log  exp(F_i.F_p / tau) / sum_{j != i} exp(F_i.F_j / tau)

    P(i) are the other samples with i's label. The mean runs over the anchors that have one; an anchor without a positive
    is left out, as a rare emotion often is alone in its batch. Computed in float32 whatever the precision of the model.

    Args:
        features_KF: (K, width) F of Eq. 6, the joined CLS vectors.
        labels_K: (K,) class indices.
        temperature: tau.
        normalize: Whether F is brought to unit length; otherwise the raw dot products are used.

    Returns:
        A float32 scalar; 0, with zero gradients, where no anchor has a positive.
    """
    with torch.autocast(features_KF.device.type, enabled=False):
        features = features_KF.float()
        if normalize:
            features = F.normalize(features, dim=1)
        similarity_KK = features @ features.T / temperature
        itself_KK = torch.eye(len(labels_K), dtype=torch.bool, device=labels_K.device)
        # log_softmax subtracts the largest logit: the log-sum-exp is stable for any temperature
        log_share_KK = F.log_softmax(similarity_KK.masked_fill(itself_KK, -torch.inf), dim=1)
        positive_KK = (labels_K[:, None] == labels_K[None, :]) & ~itself_KK
        positives_K = positive_KK.sum(dim=1)
        per_anchor_K = -torch.where(positive_KK, log_share_KK, 0.0).sum(dim=1) / positives_K.clamp(min=1)
        anchors = (positives_K > 0).sum().clamp(min=1)
        loss: Tensor = per_anchor_K.sum() / anchors
    return loss
