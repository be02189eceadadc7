"""Concatenation, `Concatenate` of Table 3: one classifier reads the features of both streams."""

import torch
from torch import nn

from erc_core.models.backbones import VitStack
from erc_core.models.batch import Batch, Output
from erc_core.models.config import ModelConfig
from erc_core.models.fusions.separate import SeparateVit


class ConcatenateFusion(SeparateVit):
    """One classifier on the text features' CLS beside the ViT's CLS."""

    def __init__(self, config: ModelConfig, vit: VitStack) -> None:
        """Make the model; see SeparateVit."""
        super().__init__(config, vit, classifiers=False)
        self.classifier = nn.Linear(2 * self.width, len(config.labels))

    def forward(self, batch: Batch) -> Output:
        """Classify a batch; see UtteranceClassifier."""
        f_t_BTD, _ = self.read_text(batch)
        f_m_BPD, _ = self.read_mel(batch, cls_only=True)
        features_BF = torch.cat([f_t_BTD[:, 0], self.mel_norm(f_m_BPD[:, 0])], dim=1)
        return Output(self.classifier(features_BF), None, None, features_BF)
