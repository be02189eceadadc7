"""Cross-modal fusion attention in place of the JFM, `CFA` of Table 3: over the tokens and patches of one utterance."""

import torch
from torch import Tensor, nn

from erc_core.models.backbones import BertStack, VitStack
from erc_core.models.batch import Output
from erc_core.models.config import ModelConfig
from erc_core.models.cross_attention import CrossModalFusionAttention
from erc_core.models.fusions.fusion import Fusion
from erc_core.models.streams import Encoded


class CFAFusion(Fusion):
    """One classifier on the means of [Z_a, Z_t, Z_a', Z_t'] (Zhao et al., Interspeech 2023).

    Z_t are the text features, Z_a the ViT's output; Z_t' and Z_a' are what each becomes by attending to the other. Means run
    over real positions: without speech, over the CLS.
    """

    cls_only = False

    def __init__(self, config: ModelConfig, bert: BertStack, vit: VitStack) -> None:
        super().__init__(config, bert, vit)
        self.cross_attention = CrossModalFusionAttention(vit.width)
        self.classifier = nn.Linear(4 * vit.width, len(config.labels))

    def forward(self, text: Encoded | None, speech: Encoded | None) -> Output:
        """Classify a batch."""
        assert text is not None
        assert speech is not None
        mask_BT, mask_BP = text.mask_BS, speech.mask_BS
        z_t_BTD, z_a_BPD = text.norm(text.sequence_BSD), speech.norm(speech.sequence_BSD)
        fused_t_BTD, fused_a_BPD = self.cross_attention(z_t_BTD, mask_BT, z_a_BPD, mask_BP)
        pairs = ((z_a_BPD, mask_BP), (z_t_BTD, mask_BT), (fused_a_BPD, mask_BP), (fused_t_BTD, mask_BT))
        features_BF = torch.cat([masked_mean(sequence, mask) for sequence, mask in pairs], dim=1)
        return Output(self.classifier(features_BF), None, None, features_BF)


def masked_mean(sequence_BSD: Tensor, mask_BS: Tensor) -> Tensor:
    """Return (B, D): the mean of finite vectors over the positions where the mask is true, of which each row has one."""
    # a product of matrices: no copy of the sequence; zeros and ones are exact in any precision, as 1/n would not be
    sum_B1D = torch.bmm(mask_BS.to(sequence_BSD.dtype)[:, None], sequence_BSD)
    return sum_B1D[:, 0] / mask_BS.sum(dim=1, keepdim=True)
