"""The same model as one writes it first: every pass of the equations computed whole, with the same weights.

The layers are timm's and transformers' own, called as they are; so what differs from ours is what ours leaves out.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from erc_core.models.batch import Batch, Output
from erc_core.models.classifier import JFMClassifier
from erc_core.models.joint import JointBlock


class PlainJFM(nn.Module):
    """Eq. 1-5, line by line, around the modules of a JFMClassifier.

    Aligned streams, tied layers and joint vectors only: the paper's model.
    """

    def __init__(self, model: JFMClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Output:
        """Classify a batch; shapes as in JFMClassifier."""
        model = self.model
        f_t, mask_t = model.read_text(batch)
        f_m, mask_m = model.read_mel(batch)
        for block in model.fusion:
            assert isinstance(block, JointBlock)
            f_m, f_t = joint_block(block, f_m, mask_m, f_t, mask_t)
        return model.average(f_t[:, 0], model.mel_norm(f_m)[:, 0])


def joint_block(block: JointBlock, f_m: Tensor, mask_m: Tensor, f_t: Tensor, mask_t: Tensor) -> tuple[Tensor, Tensor]:
    """Return the next F_m and F_t (B, S, D) by four whole passes, Eq. 1-4."""
    batch, joint_len = len(f_m), block.joint_len
    bias_m, bias_t = (
        torch.zeros_like(mask, dtype=f_m.dtype).masked_fill(~mask, -torch.inf)[:, None, None, :]
        for mask in (F.pad(mask_m, (0, joint_len), value=True), F.pad(mask_t, (0, joint_len), value=True))
    )

    def vit(sequence: Tensor) -> Tensor:
        passed: Tensor = block.V(sequence, attn_mask=bias_m)
        return passed

    def bert(sequence: Tensor) -> Tensor:
        passed: Tensor = block.L(sequence, attention_mask=bias_t)
        return passed

    v, v_prime = (joint.expand(batch, -1, -1) for joint in (block.v_JD, block.v_prime_JD))
    v_hat = vit(torch.cat([f_m, v], dim=1))[:, -joint_len:]
    next_t = bert(torch.cat([f_t, block.mlp(v_hat)], dim=1))[:, :-joint_len]
    v_prime_hat = bert(torch.cat([f_t, v_prime], dim=1))[:, -joint_len:]
    next_m = vit(torch.cat([f_m, block.mlp_prime(v_prime_hat)], dim=1))[:, :-joint_len]
    return next_m, next_t
