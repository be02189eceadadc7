"""Soft-HGR (Wang et al., AAAI 2019): draws the features of two modalities towards their maximal correlation."""

import torch
from torch import Tensor


def soft_hgr_loss(f_KW: Tensor, g_KW: Tensor) -> Tensor:
    """Return the negative Soft-HGR objective of paired features.

        L = -E[f^T g] + 1/2 tr(cov(f) cov(g)),  with E[f] = E[g] = 0

    The objective of Wang et al., "An efficient approach to informative feature extraction from multimodal data" (AAAI 2019),
    which MultiEMO takes up. The features are centred on the batch's mean, and every expectation is the sum over the pairs
    divided by K - 1. The smallest value is -W/2, reached by features that are the same and white. Computed in float32
    whatever the precision of the model.

    Args:
        f_KW: (K, W) features of K utterances in one modality.
        g_KW: (K, W) features of the same utterances in the other.

    Returns:
        A float32 scalar; 0, with zero gradients, for fewer than two utterances, which have no covariance.
    """
    with torch.autocast(f_KW.device.type, enabled=False):
        f, g = f_KW.float(), g_KW.float()
        f, g = f - f.mean(dim=0), g - g.mean(dim=0)
        degrees = len(f) - 1
        if degrees < 1:
            return (f.sum() + g.sum()) * 0
        correlation = (f * g).sum() / degrees
        # the trace of a product of symmetric matrices is the sum over their entries' products
        penalty = ((f.T @ f) * (g.T @ g)).sum() / degrees**2
        loss: Tensor = penalty / 2 - correlation
    return loss
