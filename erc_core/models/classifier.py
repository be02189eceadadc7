"""The whole model: streams, fusion, and a classifier on each stream's CLS (Eq. 5).

B batch, T text tokens, E width of the frozen encoder, F frames, M mel bins, P mel positions, D width, C classes.
"""

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from erc_core.errors import ErcError
from erc_core.models.config import ModelConfig
from erc_core.models.extractor import TextFeatureExtractor
from erc_core.models.joint import JointBlock
from erc_core.models.patches import MelPatchEmbedding
from erc_core.models.transformers import BertStack, VitStack, run_bert, run_vit
from erc_core.params.model import JFMParams

Layer = TypeVar("Layer", bound=nn.Module)


@dataclass(frozen=True)
class Batch:
    """Padded features of some utterances.

    Attributes:
        text_BTE: Token-level output of the frozen encoder.
        tokens_B: Tokens of each utterance.
        mel_BFM: Log-mel frames as cached, not standardised.
        frames_B: Frames of each utterance; 0 where there is no speech.
        labels_B: Index into the labels; empty when predicting.
        index_B: Place of each utterance in the features, on the CPU.
    """

    text_BTE: Tensor
    tokens_B: Tensor
    mel_BFM: Tensor
    frames_B: Tensor
    labels_B: Tensor
    index_B: Tensor

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        moved = {
            field.name: getattr(self, field.name).to(device, non_blocking=True)
            for field in fields(self)
            if field.name != "index_B"
        }
        return replace(self, **moved)


@dataclass(frozen=True)
class Output:
    """What the model says about a batch.

    Attributes:
        logits_BC: The average of the streams' logits (Eq. 5).
        text_logits_BC: Of the text stream alone; None without text.
        mel_logits_BC: Of the speech stream alone; None without speech.
        features_BF: F of Eq. 6, the streams' CLS vectors joined: width 2 D, or D with one stream.
    """

    logits_BC: Tensor
    text_logits_BC: Tensor | None
    mel_logits_BC: Tensor | None
    features_BF: Tensor


class JFMClassifier(nn.Module):
    """Text and speech of an utterance, joined by the JFM; or one of them alone, through its own layers."""

    def __init__(self, config: ModelConfig, bert: BertStack, vit: VitStack) -> None:
        """Build the model around given transformer layers.

        Args:
            config: Its shape.
            bert: Source of L; layers that are not used are left out.
            vit: Source of V, of the patch embedding and of the final LayerNorm.

        Raises:
            ErcError: The widths of BERT and ViT differ, or there are fewer layers than jfm.n_blocks.
        """
        super().__init__()
        self.config = config
        jfm, n_labels = config.jfm, len(config.labels)
        width = int(vit.vit.embed_dim)
        bert_width = int(bert.architecture["hidden_size"])
        self.has_text = "T" in config.model.modality
        self.has_mel = "A" in config.model.modality
        if width != bert_width and self.has_text and self.has_mel:
            raise ErcError(f"the ViT is {width} wide and the BERT {bert_width}: joint vectors need one width")
        first_l, l_layers = _choose(bert.layers, jfm, "bert") if self.has_text else ([], [])
        first_v, v_blocks = _choose(list(vit.vit.blocks), jfm, "vit") if self.has_mel else ([], [])
        for layer in (*first_l, *l_layers, *first_v, *v_blocks) if jfm.frozen else ():
            layer.requires_grad_(requires_grad=False)
        # the earlier layers, which run before the fusion, where jfm.layers is `last`
        self.text_layers = nn.ModuleList(first_l)
        self.mel_blocks = nn.ModuleList(first_v)
        if self.has_text:
            self.extractor = TextFeatureExtractor(config.text_width, bert_width, config.extractor)
            self.text_classifier = nn.Linear(bert_width, n_labels)
        if self.has_mel:
            self.patches = MelPatchEmbedding(vit.vit, config.n_mels, config.max_frames)
            self.mel_norm = vit.vit.norm
            self.mel_classifier = nn.Linear(width, n_labels)
        self.fusion = nn.ModuleList()
        if self.has_text and self.has_mel:
            for layer, block in zip(l_layers, v_blocks, strict=True):
                self.fusion.append(
                    JointBlock(
                        block,
                        layer,
                        width=width,
                        joint_len=jfm.joint_len,
                        init_std=jfm.joint_init_std,
                        tied=jfm.tied,
                    )
                )
        else:
            self.text_layers.extend(l_layers)
            self.mel_blocks.extend(v_blocks)

    def forward(self, batch: Batch) -> Output:
        """Classify a batch.

        Padding never changes an utterance's result: every attention masks it.

        Returns:
            Logits in the order of config.labels, and the features that ICL contrasts.
        """
        f_t = mask_t = f_m = mask_m = None
        if self.has_text:
            mask_t = torch.arange(batch.text_BTE.shape[1], device=batch.text_BTE.device) < batch.tokens_B[:, None]
            f_t = self.extractor(batch.text_BTE, mask_t)
            for layer in self.text_layers:
                f_t = run_bert(layer, f_t, mask_t)  # type: ignore[arg-type]
        if self.has_mel:
            f_m, mask_m = self.patches(batch.mel_BFM, batch.frames_B)
            for block in self.mel_blocks:
                f_m = run_vit(block, f_m, mask_m)
        for block in self.fusion:
            f_m, f_t = block(f_m, mask_m, f_t, mask_t)
            if self.config.jfm.streams == "literal":
                # Eq. 2 writes F_{m->t} on the left and Eq. 1 of the next block reads it: the streams swap transformers
                f_m, mask_m, f_t, mask_t = f_t, mask_t, f_m, mask_m
        cls, text_logits, mel_logits = [], None, None
        if f_t is not None:
            cls.append(f_t[:, 0])
            text_logits = self.text_classifier(cls[-1])
        if f_m is not None:
            cls.append(self.mel_norm(f_m[:, 0]))
            mel_logits = self.mel_classifier(cls[-1])
        spoken = [logits for logits in (text_logits, mel_logits) if logits is not None]
        return Output(
            logits_BC=torch.stack(spoken).mean(dim=0),  # (5)
            text_logits_BC=text_logits,
            mel_logits_BC=mel_logits,
            features_BF=torch.cat(cls, dim=1),  # F of (6)
        )


def _choose(layers: list[Layer], jfm: JFMParams, name: str) -> tuple[list[Layer], list[Layer]]:
    """Return the layers that run before the fusion, and the N that take part in it."""
    if jfm.n_blocks > len(layers):
        raise ErcError(f"jfm.n_blocks = {jfm.n_blocks}: the {name} of this backbone has {len(layers)} layers")
    if jfm.layers == "first":
        return [], layers[: jfm.n_blocks]
    return layers[: -jfm.n_blocks], layers[-jfm.n_blocks :]
