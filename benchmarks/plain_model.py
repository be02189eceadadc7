"""The same model as one writes it first: every pass of the equations computed whole, with the same weights.

The layers are timm's and transformers' own, called as they are; so what differs from ours is what ours leaves out.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from erc_core.models.batch import Batch, Output
from erc_core.models.classifier import UtteranceClassifier
from erc_core.models.fusions.fusion import average
from erc_core.models.fusions.jfm import JFM, JointBlock


class PlainJFM(nn.Module):
    """Eq. 1-5, line by line, around the modules of a model with the JFM.

    Aligned streams, tied layers and joint vectors only: the paper's model.
    """

    def __init__(self, model: UtteranceClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Output:
        """Classify a batch; shapes as in UtteranceClassifier."""
        model = self.model
        assert model.text
        assert model.speech
        assert isinstance(model.fusion, JFM)
        text, speech = model.text(batch), model.speech(batch)
        f_t, f_m = text.sequence_BSD, speech.sequence_BSD
        for block in model.fusion.blocks:
            assert isinstance(block, JointBlock)
            f_m, f_t = joint_block(block, f_m, speech.mask_BS, f_t, text.mask_BS)
        return average(replace(text, sequence_BSD=f_t), replace(speech, sequence_BSD=f_m))


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
