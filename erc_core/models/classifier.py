"""The model of the paper: two streams, the JFM between them, and a classifier on each stream's CLS (Eq. 1-5)."""

from typing import TypeVar

from torch import nn

from erc_core.errors import ErcError
from erc_core.models.backbones import BertStack, VitStack, random_weight_std
from erc_core.models.batch import Batch, Output
from erc_core.models.config import ModelConfig
from erc_core.models.joint import JointBlock
from erc_core.models.streams import UtteranceClassifier, freeze
from erc_core.params.model import JFMParams

Layer = TypeVar("Layer", bound=nn.Module)


class JFMClassifier(UtteranceClassifier):
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
        jfm, modality = config.jfm, config.model.modality
        width, bert_width = int(vit.vit.embed_dim), int(bert.architecture["hidden_size"])
        if width != bert_width and modality == "T+A":
            raise ErcError(f"the ViT is {width} wide and the BERT {bert_width}: joint vectors need one width")
        first_l, l_layers = _choose(bert.layers, jfm, "bert") if "T" in modality else ([], [])
        first_v, v_blocks = _choose(list(vit.vit.blocks), jfm, "vit") if "A" in modality else ([], [])
        if modality != "T+A":  # nothing to fuse: a stream runs through all of its layers
            first_l, l_layers, first_v, v_blocks = first_l + l_layers, [], first_v + v_blocks, []
        super().__init__(
            config, vit.vit, text_width=bert_width, text_layers=first_l, mel_blocks=first_v, classifiers=True
        )
        if jfm.frozen:
            freeze([*l_layers, *v_blocks])
        std = random_weight_std(width) if jfm.joint_init_std == "auto" else jfm.joint_init_std
        self.fusion = nn.ModuleList(
            JointBlock(block, layer, width=width, joint_len=jfm.joint_len, init_std=std, tied=jfm.tied)
            for layer, block in zip(l_layers, v_blocks, strict=True)
        )

    def forward(self, batch: Batch) -> Output:
        """Classify a batch; see UtteranceClassifier."""
        blocks = len(self.fusion)
        f_t, mask_t = self.read_text(batch, cls_only=not blocks) if self.has_text else (None, None)
        f_m, mask_m = self.read_mel(batch, cls_only=not blocks) if self.has_mel else (None, None)
        for number, block in enumerate(self.fusion, start=1):
            f_m, f_t = block(f_m, mask_m, f_t, mask_t, cls_only=number == blocks)
            if self.config.jfm.streams == "literal":
                # Eq. 2 writes F_{m->t} on the left and Eq. 1 of the next block reads it: the streams swap transformers
                f_m, mask_m, f_t, mask_t = f_t, mask_t, f_m, mask_m
        return self.average(
            None if f_t is None else f_t[:, 0],
            None if f_m is None else self.mel_norm(f_m[:, 0]),
        )


def _choose(layers: list[Layer], jfm: JFMParams, name: str) -> tuple[list[Layer], list[Layer]]:
    """Return the layers that run before the fusion, and the N that take part in it."""
    if jfm.n_blocks > len(layers):
        raise ErcError(f"jfm.n_blocks = {jfm.n_blocks}: the {name} of this backbone has {len(layers)} layers")
    if jfm.layers == "first":
        return [], layers[: jfm.n_blocks]
    return layers[: -jfm.n_blocks], layers[-jfm.n_blocks :]
