"""Concatenation, `Concatenate` of Table 3: one classifier reads the features of both streams."""

import torch
from torch import nn

from erc_core.models.backbones import BertStack, VitStack
from erc_core.models.batch import Output
from erc_core.models.config import ModelConfig
from erc_core.models.fusions.fusion import Fusion
from erc_core.models.streams import Encoded


class ConcatenateFusion(Fusion):
    """One classifier on the text features' CLS beside the ViT's CLS."""

    def __init__(self, config: ModelConfig, bert: BertStack, vit: VitStack) -> None:
        super().__init__(config, bert, vit)
        self.classifier = nn.Linear(2 * vit.width, len(config.labels))

    def forward(self, text: Encoded | None, speech: Encoded | None) -> Output:
        """Classify a batch."""
        features_BF = torch.cat([stream.cls_BD for stream in (text, speech) if stream], dim=1)
        return Output(self.classifier(features_BF), None, None, features_BF)
