"""One vector for a padded sequence."""

import torch
from torch import Tensor


def masked_mean(sequence_BSD: Tensor, mask_BS: Tensor) -> Tensor:
    """Return (B, D): the mean over the positions where the mask is true, of which each row has one at least.

    Args:
        sequence_BSD: (B, S, D); finite everywhere.
        mask_BS: (B, S), true for real positions.
    """
    # a product of matrices: no copy of the sequence; zeros and ones are exact in any precision, as 1/n would not be
    sum_B1D = torch.bmm(mask_BS.to(sequence_BSD.dtype)[:, None], sequence_BSD)
    return sum_B1D[:, 0] / mask_BS.sum(dim=1, keepdim=True)
