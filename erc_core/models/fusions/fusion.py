"""What a fusion is, and the average of the streams' own classifiers (Eq. 5)."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import nn

from erc_core.errors import ErcError
from erc_core.models.backbones import BertStack, VitStack
from erc_core.models.batch import Output
from erc_core.models.config import ModelConfig
from erc_core.models.streams import Encoded, StreamPlan


class Fusion(nn.Module, ABC):
    """Joins the two streams of an utterance. A new one is a subclass, its line in FUSIONS and its name in ModelParams.

    Unless it plans otherwise, its text comes as the text feature extractor gives it, without BERT, beside a speech that a
    whole ViT encodes (its first model.vit_layers blocks, where these are given), and both streams are as wide as the ViT.
    """

    cls_only: ClassVar[bool] = True  # whether it reads nothing but the CLS of each stream
    classifiers: ClassVar[bool] = False  # whether each stream has a classifier of its own

    def __init__(self, config: ModelConfig, bert: BertStack, vit: VitStack) -> None:
        super().__init__()

    @classmethod
    def plan(cls, config: ModelConfig, bert: BertStack, vit: VitStack) -> StreamPlan:
        """Return what the streams are.

        Raises:
            ErcError: The transformers do not fit each other or the configuration.
        """
        blocks, count = list(vit.vit.blocks), config.model.vit_layers
        if count is not None and count > len(blocks):
            raise ErcError(f"model.vit_layers = {count}: the vit of this backbone has {len(blocks)} layers")
        return StreamPlan(vit.width, [], blocks[:count], cls.cls_only, cls.classifiers)

    @abstractmethod
    def forward(self, text: Encoded | None, speech: Encoded | None) -> Output:
        """Classify a batch from its streams; None for one that config.model.modality leaves out, as only the JFM allows."""


def average(text: Encoded | None, speech: Encoded | None) -> Output:
    """Classify each stream by itself and average their logits (Eq. 5); with one stream, its logits are the result."""
    cls, logits = [], []
    for stream in (text, speech):
        cls.append(stream.cls_BD if stream else None)
        logits.append(stream.classifier(cls[-1]) if stream and stream.classifier else None)
    return Output(
        logits_BC=torch.stack([part for part in logits if part is not None]).mean(dim=0),
        text_logits_BC=logits[0],
        mel_logits_BC=logits[1],
        features_BF=torch.cat([part for part in cls if part is not None], dim=1),  # F of (6)
    )
