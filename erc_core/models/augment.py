"""What is done to the mel in training, and never in evaluation: SpecAugment, patchout.

B batch, F frames, M mel bins, N bands of each kind, P patches, X pixels of a patch, D width.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class SpecAugment(nn.Module):
    """Time and frequency masking of Park et al. 2019, "SpecAugment", Section 2, without time warping.

    Bands are drawn as torchaudio's mask_along_axis_iid draws them, which knows one length for all clips of a batch; here
    each clip has its own, so that what is hidden of a clip does not depend on how far its batch is padded.
    """

    def __init__(self, freq_mask: float, time_mask: float, masks: int) -> None:
        """Set the share of the mel bins, or of the clip's own frames, that a band may cover at most; 0 = none."""
        super().__init__()
        self.freq_mask = freq_mask
        self.time_mask = time_mask
        self.masks = masks

    def forward(self, standard_BFM: Tensor, frames_B: Tensor) -> Tensor:
        """Return standardised spectrograms, each of its own number of frames, with bands of zero, the train split's mean."""
        batch, frames, bins = standard_BFM.shape
        if self.training and self.freq_mask:
            every_B = torch.full((batch,), bins, device=standard_BFM.device)
            standard_BFM = standard_BFM.masked_fill(self._bands(every_B, self.freq_mask, bins)[:, None, :], 0.0)
        if self.training and self.time_mask:
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


class Patchout(nn.Module):
    """Leaves out a share of the patch positions, other ones in every batch: less to compute, and less to overfit.

    Koutini et al. 2022, "Efficient training of audio transformers with patchout".
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, pixels_BPX: Tensor, mask_BP: Tensor, position_PD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the patches that stay, their mask and their positions; one stays at least."""
        if not self.training or not self.share:
            return pixels_BPX, mask_BP, position_PD
        positions = mask_BP.shape[1]
        kept = torch.randperm(positions)[: max(1, round(positions * (1 - self.share)))].to(mask_BP.device)
        return pixels_BPX[:, kept], mask_BP[:, kept], position_PD[kept]


class Augmentation(NamedTuple):
    """What a model is trained with; a saved model needs none of it."""

    spec_augment: SpecAugment
    patchout: Patchout


def no_augmentation() -> Augmentation:
    """Return modules that do nothing."""
    return Augmentation(SpecAugment(0.0, 0.0, 0), Patchout(0.0))
