"""The two streams of an utterance, which every fusion starts from.

B batch, T text positions, P speech positions (CLS and patches), S positions of either, E width of the frozen encoder, D width
of the stream.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from transformers.models.bert.modeling_bert import BertLayer

from erc_core.models.augment import Augmentation
from erc_core.models.batch import Batch
from erc_core.models.config import ModelConfig
from erc_core.models.layers import BertParts, LayerParts, VitParts, attend, attention_bias
from erc_core.models.patches import MelPatchEmbedding
from erc_core.params.backbones import ExtractorParams


class StreamPlan(NamedTuple):
    """What a fusion asks of the streams before it."""

    text_width: int  # D of the text stream; that of the speech stream is the ViT's
    text_layers: Sequence[BertLayer]  # BERT layers that the text passes
    speech_layers: Sequence[nn.Module]  # ViT blocks that the speech passes
    cls_only: bool  # whether the last of these layers gives the CLS alone, as nothing else is read
    classifiers: bool  # whether each stream has a classifier of its own


@dataclass(frozen=True)
class Encoded:
    """What a stream hands to the fusion."""

    sequence_BSD: Tensor  # CLS first and not yet normalised; the CLS alone, (B, 1, D), where nothing else is read
    mask_BS: Tensor  # true at real positions; the CLS is one, also where there is no speech
    norm: nn.Module  # the stream's final normalisation
    classifier: nn.Module | None  # the stream's own, of a normalised CLS; None where it has none

    @property
    def cls_BD(self) -> Tensor:  # noqa: N802 - a shape suffix
        """The normalised CLS."""
        normalised: Tensor = self.norm(self.sequence_BSD[:, 0])
        return normalised


class TextFeatureExtractor(nn.Module):
    """Linear to the extractor's width, transformer encoder layers, linear to the stream's width. Trained from scratch."""

    def __init__(self, text_width: int, width: int, params: ExtractorParams) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            params.width,
            params.heads,
            dim_feedforward=round(params.width * params.mlp_ratio),
            dropout=params.dropout,
            activation="gelu",
            batch_first=True,
        )
        self.enter = nn.Linear(text_width, params.width)
        self.encoder = nn.TransformerEncoder(layer, params.layers, enable_nested_tensor=False)
        self.leave = nn.Linear(params.width, width)

    def forward(self, text_BTE: Tensor, mask_BT: Tensor) -> Tensor:
        """Return (B, T, D); padded positions, where the mask is false, hold numbers that mean nothing."""
        features: Tensor = self.leave(self.encoder(self.enter(text_BTE), src_key_padding_mask=~mask_BT))
        return features


class TextStream(nn.Module):
    """Features of the frozen encoder's tokens, through BERT layers if there are any: F_t, <s> first."""

    def __init__(self, config: ModelConfig, plan: StreamPlan) -> None:
        super().__init__()
        self.layers = nn.ModuleList(plan.text_layers)
        self.extractor = TextFeatureExtractor(config.text_width, plan.text_width, config.extractor)
        self.classifier = nn.Linear(plan.text_width, len(config.labels)) if plan.classifiers else None
        self.cls_only = plan.cls_only

    def forward(self, batch: Batch) -> Encoded:
        """Return F_t (B, T, D) and its mask, true for real tokens."""
        mask_BT = torch.arange(batch.text_BTE.shape[1], device=batch.text_BTE.device) < batch.tokens_B[:, None]
        layers = [BertParts(layer) for layer in self.layers]  # type: ignore[arg-type]
        f_t_BTD = _run(layers, self.extractor(batch.text_BTE, mask_BT), mask_BT, cls_only=self.cls_only)
        return Encoded(f_t_BTD, mask_BT, nn.Identity(), self.classifier)


class SpeechStream(nn.Module):
    """Patches of the mel, through ViT blocks if there are any: F_m, CLS first."""

    def __init__(
        self, config: ModelConfig, plan: StreamPlan, vit: VisionTransformer, augmentation: Augmentation | None
    ) -> None:
        """Make the stream, with the patch embedding, the final LayerNorm and the width of a ViT."""
        super().__init__()
        self.layers = nn.ModuleList(plan.speech_layers)
        self.patches = MelPatchEmbedding(vit, config.n_mels, config.max_frames, augmentation)
        self.norm = vit.norm
        self.classifier = nn.Linear(vit.embed_dim, len(config.labels)) if plan.classifiers else None
        self.cls_only = plan.cls_only

    def forward(self, batch: Batch) -> Encoded:
        """Return F_m (B, P, D) and its mask, true for real patches and the CLS."""
        f_m_BPD, mask_BP = self.patches(batch.mel_BFM, batch.frames_B)
        layers = [VitParts(block) for block in self.layers]
        return Encoded(_run(layers, f_m_BPD, mask_BP, cls_only=self.cls_only), mask_BP, self.norm, self.classifier)


def _run(layers: Sequence[LayerParts], sequence_BSD: Tensor, mask_BS: Tensor, *, cls_only: bool) -> Tensor:
    """Pass a sequence through transformer layers; with cls_only, compute of the last one what is at the CLS."""
    for number, layer in enumerate(layers, start=1):
        read = slice(0, 1) if cls_only and number == len(layers) else slice(None)
        parts = layer.project(sequence_BSD)
        attended_BHQE = attend(layer, parts.q_BHSE[:, :, read], [parts], attention_bias(mask_BS, parts.k_BHSE))
        sequence_BSD = layer.finish(sequence_BSD[:, read], attended_BHQE)
    return sequence_BSD
