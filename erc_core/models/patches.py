"""From log-mel frames to the sequence that a vision transformer reads: standardise, cut into patches, project.

B batch, F frames, M mel bins, R rows of patches (frequency), K columns of patches (time), P = R K patches, D width.
"""

import math

import torch
import torch.nn.functional as F
from timm.layers.pos_embed import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from erc_core.models.augment import Augmentation, no_augmentation


class MelPatchEmbedding(nn.Module):
    """A ViT's patch embedding, CLS token and position embedding, brought to one-channel spectrograms of any length.

    The three-channel patch kernel becomes a one-channel one by summing over its input channels: a grey picture gives the
    same projection. The position embedding is interpolated once to the grid of the longest clip, R x K_max, and a shorter
    clip reads its first columns, so a patch's position does not depend on what else is in the batch. Patches run through
    time column by column, so that what is padded comes last.
    """

    mean: Tensor
    std: Tensor
    position_PD: nn.Parameter

    def __init__(
        self, vit: VisionTransformer, n_mels: int, max_frames: int, augmentation: Augmentation | None = None
    ) -> None:
        """Take over the weights of a ViT.

        Args:
            vit: Source of the patch kernel, CLS token and position embedding.
            n_mels: M; rows beyond a whole patch are padded.
            max_frames: Frames of the longest clip.
            augmentation: What is done in training; None = nothing.

        Raises:
            ValueError: The ViT has no CLS token or no position embedding.
        """
        super().__init__()
        if vit.cls_token is None or vit.pos_embed is None:
            raise ValueError("the ViT has no CLS token or no position embedding")
        kernel = vit.patch_embed.proj
        self.patch = int(kernel.kernel_size[0])
        self.rows = math.ceil(n_mels / self.patch)
        self.max_columns = max(1, math.ceil(max_frames / self.patch))
        self.projection = nn.Conv2d(1, kernel.out_channels, self.patch, stride=self.patch)
        with torch.no_grad():
            self.projection.weight.copy_(kernel.weight.sum(dim=1, keepdim=True).transpose(2, 3))
            if kernel.bias is not None:
                self.projection.bias.copy_(kernel.bias)  # type: ignore[union-attr]
            else:
                nn.init.zeros_(self.projection.bias)  # type: ignore[arg-type]
            prefix = vit.num_prefix_tokens
            grid = resample_abs_pos_embed(
                vit.pos_embed,
                [self.rows, self.max_columns],
                old_size=list(vit.patch_embed.grid_size),
                num_prefix_tokens=prefix,
            )
            patches = grid[0, prefix:].reshape(self.rows, self.max_columns, -1).transpose(0, 1).flatten(0, 1)
        self.cls_D = nn.Parameter(vit.cls_token[0, 0].detach().clone())
        self.cls_position_D = nn.Parameter(grid[0, 0].detach().clone())
        self.position_PD = nn.Parameter(patches.detach().clone())
        self.spec_augment, self.patchout = augmentation or no_augmentation()
        self.register_buffer("mean", torch.zeros(n_mels))
        self.register_buffer("std", torch.ones(n_mels))

    def set_statistics(self, mean_M: Tensor, std_M: Tensor) -> None:
        """Set the train split's mean and standard deviation per mel bin; they are saved with the model."""
        self.mean.copy_(mean_M)
        self.std.copy_(std_M)

    def forward(self, mel_BFM: Tensor, frames_B: Tensor) -> tuple[Tensor, Tensor]:
        """Embed a batch.

        Args:
            mel_BFM: Log-mel frames, padded with anything to the longest of the batch.
            frames_B: Frames of each utterance; 0 where there is no speech.

        Returns:
            (B, 1 + P, D) sequence, CLS first, and (B, 1 + P) mask, true where there is something to attend to.

        Raises:
            ValueError: A clip is longer than max_frames.
        """
        batch, frames, bins = mel_BFM.shape
        columns = max(1, math.ceil(frames / self.patch))
        if columns > self.max_columns:
            raise ValueError(f"{frames} frames are more than the {self.max_columns * self.patch} of the longest clip")
        real_BF = torch.arange(frames, device=mel_BFM.device) < frames_B[:, None]
        # zero after standardisation is the train split's mean: what a partial patch is filled up with
        scale_M = self.std.reciprocal()
        standard_BFM = torch.addcmul(-self.mean * scale_M, mel_BFM, scale_M).masked_fill_(~real_BF[:, :, None], 0.0)
        standard_BFM = self.spec_augment(standard_BFM, frames_B)
        padded_BFM = F.pad(standard_BFM, (0, self.rows * self.patch - bins, 0, columns * self.patch - frames))
        column_P = torch.arange(columns, device=mel_BFM.device).repeat_interleave(self.rows)
        mask_BP = column_P * self.patch < frames_B[:, None]
        # patches as rows of pixels, time before frequency like the kernel, so that those left out are never projected
        pixels_BPX = (
            padded_BFM.view(batch, columns, self.patch, self.rows, self.patch)
            .transpose(2, 3)
            .reshape(batch, columns * self.rows, -1)
        )
        position_PD = self.position_PD[: columns * self.rows]
        pixels_BPX, mask_BP, position_PD = self.patchout(pixels_BPX, mask_BP, position_PD)
        kernel = self.projection
        patches_BPD = F.linear(pixels_BPX, kernel.weight.flatten(1), kernel.bias) + position_PD
        cls_B1D = (self.cls_D + self.cls_position_D).expand(batch, 1, -1)
        return torch.cat([cls_B1D, patches_BPD], dim=1), F.pad(mask_BP, (1, 0), value=True)
