"""Sample-weighted focal contrastive loss (SWFC) of MultiEMO: rare emotions and hard pairs count for more."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def class_weights(class_counts: Sequence[int], alpha: float) -> Tensor:
    """Return the weight of each class's samples: w_c proportional to (N / n_c)^alpha, all weights adding up to 1.

    Args:
        class_counts: n_c, samples of each class in the train split; N is their sum.
        alpha: Sample-weight parameter; 0 = all classes alike.

    Returns:
        (C,) float32; a class that the train split lacks has weight 0 and no part in the sum.
    """
    counts_C = torch.tensor(class_counts, dtype=torch.float64)
    present_C = counts_C > 0
    raw_C = torch.where(present_C, (counts_C.sum() / counts_C.clamp(min=1)) ** alpha, 0.0)
    return (raw_C / raw_C.sum().clamp(min=torch.finfo(raw_C.dtype).tiny)).float()


def swfc_loss(features_KW: Tensor, labels_K: Tensor, weights_C: Tensor, *, temperature: float, gamma: float) -> Tensor:
    """Return the sample-weighted focal contrastive loss of a batch (Shi & Huang, ACL 2023).

        s_ip = exp(z_i . z_p / tau) / sum_{j != i} exp(z_i . z_j / tau)
        L    = mean over samples i of  -w_{y_i}  1/|P(i)|  sum_{p in P(i)}  (1 - s_ip)^gamma log s_ip

    z has unit length and P(i) are the other samples with i's label. As in the authors' code the mean runs over all K
    samples: one without a positive adds zero, yet counts. Computed in float32 whatever the precision of the model.

    Args:
        features_KW: (K, W) joined features of the utterances.
        labels_K: (K,) class indices.
        weights_C: (C,) w, from class_weights.
        temperature: tau.
        gamma: Focusing parameter; 0 = all positive pairs count alike.

    Returns:
        A float32 scalar; 0, with zero gradients, where no sample has a positive.
    """
    with torch.autocast(features_KW.device.type, enabled=False):
        z_KW = F.normalize(features_KW.float(), dim=1)
        itself_KK = torch.eye(len(labels_K), dtype=torch.bool, device=labels_K.device)
        similarity_KK = (z_KW @ z_KW.T / temperature).masked_fill(itself_KK, -torch.inf)
        # a sample's share of itself is 0, whose logarithm would turn the gradients of the product below into NaN
        log_s_KK = F.log_softmax(similarity_KK, dim=1).masked_fill(itself_KK, 0.0)
        # likewise the power's slope where s = 1 (two samples only) and gamma < 1; the clamp's slope is 0 there
        focus_KK = (1 - log_s_KK.exp()).clamp(min=torch.finfo(torch.float32).tiny) ** gamma
        positive_KK = (labels_K[:, None] == labels_K[None, :]) & ~itself_KK
        per_pair_KK = torch.where(positive_KK, focus_KK * log_s_KK, 0.0)
        per_sample_K = -per_pair_KK.sum(dim=1) / positive_KK.sum(dim=1).clamp(min=1)
        loss: Tensor = (weights_C[labels_K] * per_sample_K).mean()
    return loss
