"""The two streams of an utterance, which every fusion starts from, and the average of their classifiers (Eq. 5).

B batch, T text positions, P mel positions (CLS and patches), D width.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from transformers.models.bert.modeling_bert import BertLayer

from erc_core.models.batch import Batch, Output
from erc_core.models.config import ModelConfig
from erc_core.models.extractor import TextFeatureExtractor
from erc_core.models.layers import BertParts, LayerParts, VitParts, attend, attention_bias
from erc_core.models.patches import MelPatchEmbedding


class UtteranceClassifier(nn.Module, ABC):
    """A model of single utterances: its streams, and whatever a subclass makes of them.

    Attributes:
        config: Its shape.
        has_text: Whether it reads.
        has_mel: Whether it hears.
        patches: What standardises and embeds the mel; only where it hears.
    """

    def __init__(
        self,
        config: ModelConfig,
        vit: VisionTransformer,
        *,
        text_width: int,
        text_layers: Sequence[BertLayer] = (),
        mel_blocks: Sequence[nn.Module] = (),
        classifiers: bool,
    ) -> None:
        """Make the streams that config.model.modality asks for.

        Args:
            config: The model's shape.
            vit: Source of the patch embedding and of the final LayerNorm.
            text_width: Width of the text stream; that of the mel stream is the ViT's.
            text_layers: BERT layers of the text stream before the fusion.
            mel_blocks: ViT blocks of the mel stream before the fusion.
            classifiers: Whether each stream has a classifier of its own.
        """
        super().__init__()
        self.config = config
        self.has_text = "T" in config.model.modality
        self.has_mel = "A" in config.model.modality
        self.text_layers = nn.ModuleList(text_layers)
        self.mel_blocks = nn.ModuleList(mel_blocks)
        if config.jfm.frozen:
            freeze([*text_layers, *mel_blocks])
        if self.has_text:
            self.extractor = TextFeatureExtractor(config.text_width, text_width, config.extractor)
            if classifiers:
                self.text_classifier = nn.Linear(text_width, len(config.labels))
        if self.has_mel:
            self.patches = MelPatchEmbedding(vit, config.n_mels, config.max_frames)
            self.mel_norm = vit.norm
            if classifiers:
                self.mel_classifier = nn.Linear(vit.embed_dim, len(config.labels))

    @abstractmethod
    def forward(self, batch: Batch) -> Output:
        """Classify a batch.

        Padding never changes an utterance's result: every attention and every mean leaves it out.

        Returns:
            Logits in the order of config.labels, and the features that ICL contrasts.
        """

    def read_text(self, batch: Batch, *, cls_only: bool = False) -> tuple[Tensor, Tensor]:
        """Return F_t (B, T, D), <s> first, and its mask (B, T), true for real tokens.

        With cls_only, the last BERT layer, if there is any, gives the <s> alone, (B, 1, D).
        """
        mask_BT = torch.arange(batch.text_BTE.shape[1], device=batch.text_BTE.device) < batch.tokens_B[:, None]
        f_t_BTD = self.extractor(batch.text_BTE, mask_BT)
        return _run([BertParts(layer) for layer in self.text_layers], f_t_BTD, mask_BT, cls_only=cls_only), mask_BT  # type: ignore[arg-type]

    def read_mel(self, batch: Batch, *, cls_only: bool = False) -> tuple[Tensor, Tensor]:
        """Return F_m (B, P, D), CLS first and not yet normalised, and its mask (B, P): without speech, the CLS alone.

        With cls_only, the last ViT block, if there is any, gives the CLS alone, (B, 1, D).
        """
        f_m_BPD, mask_BP = self.patches(batch.mel_BFM, batch.frames_B)
        return _run([VitParts(block) for block in self.mel_blocks], f_m_BPD, mask_BP, cls_only=cls_only), mask_BP

    def average(self, text_BD: Tensor | None, mel_BD: Tensor | None) -> Output:
        """Classify each stream by itself and average their logits (Eq. 5); with one stream, its logits are the result."""
        text_logits = None if text_BD is None else self.text_classifier(text_BD)
        mel_logits = None if mel_BD is None else self.mel_classifier(mel_BD)
        return Output(
            logits_BC=torch.stack([logits for logits in (text_logits, mel_logits) if logits is not None]).mean(dim=0),
            text_logits_BC=text_logits,
            mel_logits_BC=mel_logits,
            features_BF=torch.cat([cls for cls in (text_BD, mel_BD) if cls is not None], dim=1),  # F of (6)
        )


def _run(layers: Sequence[LayerParts], sequence_BSD: Tensor, mask_BS: Tensor, *, cls_only: bool) -> Tensor:
    """Pass a sequence through transformer layers; with cls_only, compute of the last one what is at the CLS."""
    for number, layer in enumerate(layers, start=1):
        read = slice(0, 1) if cls_only and number == len(layers) else slice(None)
        parts = layer.project(sequence_BSD)
        attended_BHQE = attend(layer, parts.q_BHSE[:, :, read], [parts], attention_bias(mask_BS, parts.k_BHSE))
        sequence_BSD = layer.finish(sequence_BSD[:, read], attended_BHQE)
    return sequence_BSD


def freeze(layers: Iterable[nn.Module]) -> None:
    """Keep layers as they are: they pass gradients on and take none."""
    for layer in layers:
        layer.requires_grad_(requires_grad=False)
