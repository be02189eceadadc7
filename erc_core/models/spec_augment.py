"""SpecAugment: random bands of time and of frequency are hidden while training.

B batch, F frames, M mel bins, N bands of each kind.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SpecAugment:
    """Time and frequency masking of Park et al. 2019, "SpecAugment", Section 2, without time warping.

    Bands are drawn as torchaudio's mask_along_axis_iid draws them, which knows one length for all clips of a batch; here
    each clip has its own, so that what is hidden of a clip does not depend on how far its batch is padded.

    Attributes:
        freq_mask: Share of the mel bins that a frequency band may cover at most; 0 = none.
        time_mask: Share of the clip's own frames that a time band may cover at most; 0 = none.
        masks: N, bands of each kind per clip.
    """

    freq_mask: float
    time_mask: float
    masks: int

    def __call__(self, standard_BFM: Tensor, frames_B: Tensor) -> Tensor:
        """Return standardised spectrograms with bands of zero, the train split's mean.

        Args:
            standard_BFM: Standardised log-mel frames, padded to the longest of the batch.
            frames_B: Frames of each clip.
        """
        batch, frames, bins = standard_BFM.shape
        if self.freq_mask:
            every_B = torch.full((batch,), bins, device=standard_BFM.device)
            standard_BFM = standard_BFM.masked_fill(self._bands(every_B, self.freq_mask, bins)[:, None, :], 0.0)
        if self.time_mask:
            standard_BFM = standard_BFM.masked_fill(self._bands(frames_B, self.time_mask, frames)[:, :, None], 0.0)
        return standard_BFM

    def _bands(self, length_B: Tensor, share: float, size: int) -> Tensor:
        """Return (B, size), true inside of N bands, each of up to share x length places within the first length."""
        length_B1 = length_B[:, None]
        width_BN = torch.rand(len(length_B), self.masks, device=length_B.device) * (share * length_B1)
        start_BN = torch.rand(len(length_B), self.masks, device=length_B.device) * (length_B1 - width_BN)
        first_BN1, width_BN1 = start_BN.long()[..., None], width_BN.long()[..., None]
        place_S = torch.arange(size, device=length_B.device)
        return ((place_S >= first_BN1) & (place_S < first_BN1 + width_BN1)).any(dim=1)
