"""Cross-modal fusion attention in place of the JFM, `CFA` of Table 3: over the tokens and patches of one utterance."""

import torch
from torch import nn

from erc_core.models.backbones import VitStack
from erc_core.models.batch import Batch, Output
from erc_core.models.config import ModelConfig
from erc_core.models.cross_attention import CrossModalFusionAttention
from erc_core.models.fusions.separate import SeparateVit
from erc_core.models.pooling import masked_mean


class CFAFusion(SeparateVit):
    """One classifier on the means of [Z_a, Z_t, Z_a', Z_t'] (Zhao et al., Interspeech 2023).

    Z_t are the text features, Z_a the ViT's output; Z_t' and Z_a' are what each becomes by attending to the other. Means run
    over real positions: without speech, over the CLS.
    """

    def __init__(self, config: ModelConfig, vit: VitStack) -> None:
        """Make the model; see SeparateVit."""
        super().__init__(config, vit, classifiers=False)
        self.cross_attention = CrossModalFusionAttention(self.width)
        self.classifier = nn.Linear(4 * self.width, len(config.labels))

    def forward(self, batch: Batch) -> Output:
        """Classify a batch; see UtteranceClassifier."""
        z_t_BTD, mask_BT = self.read_text(batch)
        f_m_BPD, mask_BP = self.read_mel(batch)
        z_a_BPD = self.mel_norm(f_m_BPD)
        fused_t_BTD, fused_a_BPD = self.cross_attention(z_t_BTD, mask_BT, z_a_BPD, mask_BP)
        pairs = ((z_a_BPD, mask_BP), (z_t_BTD, mask_BT), (fused_a_BPD, mask_BP), (fused_t_BTD, mask_BT))
        features_BF = torch.cat([masked_mean(sequence, mask) for sequence, mask in pairs], dim=1)
        return Output(self.classifier(features_BF), None, None, features_BF)
