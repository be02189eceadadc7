"""The joint-vector fusion module (JFM): blocks in which joint vectors carry each modality into the other (Eq. 1-4).

B batch, T text positions, P mel positions (CLS and patches), S either, J joint vectors, D width.
"""

import copy
from dataclasses import replace
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.bert.modeling_bert import BertLayer

from erc_core.errors import ErcError
from erc_core.models.backbones import BertStack, VitStack, random_weight_std
from erc_core.models.batch import Output
from erc_core.models.config import ModelConfig
from erc_core.models.fusions.fusion import Fusion, average
from erc_core.models.layers import BertParts, VitParts, attend, attention_bias
from erc_core.models.streams import Encoded, StreamPlan
from erc_core.params.model import JFMParams

Layer = TypeVar("Layer", bound=nn.Module)


class JointMLP(nn.Module):
    """What brings a joint vector from one transformer's space into the other's: D -> D/2 -> D, as in Li et al. 2023."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, width))

    def forward(self, joint_BJD: Tensor) -> Tensor:
        """Map (B, J, D) to (B, J, D)."""
        mapped: Tensor = self.layers(joint_BJD)
        return mapped


class JointBlock(nn.Module):
    """One block of the JFM.

    V is a ViT block, L a BERT layer, (+) joins sequences, v and v' are trained joint vectors:

        (1)  [m_hat, v_hat]  = V(F_m (+) v)          v_bar  = MLP(v_hat)
        (2)  [F_t_next, _]   = L(F_t (+) v_bar)      mel -> text
        (3)  [t_hat, v'_hat] = L'(F_t (+) v')        v'_bar = MLP'(v'_hat)
        (4)  [F_m_next, _]   = V'(F_m (+) v'_bar)    text -> mel

    Both directions read this block's F_m and F_t. V' is V and L' is L, one layer called twice, unless untied.
    With no joint vectors (J = 0) each stream only passes through its own layer: nothing is exchanged.
    """

    def __init__(
        self, vit_block: nn.Module, bert_layer: BertLayer, *, width: int, joint_len: int, init_std: float, tied: bool
    ) -> None:
        """Make a block around V and L; untied V' and L' start as copies, joint vectors with a standard deviation."""
        super().__init__()
        self.joint_len = joint_len
        self.V = vit_block
        self.L = bert_layer
        self.V_text_to_mel = None if tied or not joint_len else copy.deepcopy(vit_block)
        self.L_text_to_mel = None if tied or not joint_len else copy.deepcopy(bert_layer)
        if joint_len:
            self.v_JD = nn.Parameter(torch.randn(joint_len, width) * init_std)
            self.v_prime_JD = nn.Parameter(torch.randn(joint_len, width) * init_std)
            self.mlp = JointMLP(width)
            self.mlp_prime = JointMLP(width)

    def forward(
        self, f_m_BPD: Tensor, mask_BP: Tensor, f_t_BTD: Tensor, mask_BT: Tensor, *, cls_only: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return the next F_m (B, P, D) and F_t (B, T, D).

        The passes of one layer share their projections, and only the positions that are read on are computed; see
        erc_core.models.layers.

        Args:
            f_m_BPD: Speech, CLS first.
            mask_BP: True where there is something to attend to, as in mask_BT.
            f_t_BTD: Text, CLS first.
            mask_BT: Of the text.
            cls_only: Return the CLS positions alone, (B, 1, D) each: all that is read of the last block.
        """
        v, l = VitParts(self.V), BertParts(self.L)  # noqa: E741
        f_m, f_t = v.project(f_m_BPD), l.project(f_t_BTD)
        read_m, read_t = (slice(0, 1), slice(0, 1)) if cls_only else (slice(None), slice(None))
        # the joint vectors, if any, come after the sequence, and all attend to them
        bias_m = attention_bias(F.pad(mask_BP, (0, self.joint_len), value=True), f_m.k_BHSE)
        bias_t = attention_bias(F.pad(mask_BT, (0, self.joint_len), value=True), f_t.k_BHSE)
        if not self.joint_len:
            next_m_BPD = v.finish(f_m_BPD[:, read_m], attend(v, f_m.q_BHSE[:, :, read_m], [f_m], bias_m))
            next_t_BTD = l.finish(f_t_BTD[:, read_t], attend(l, f_t.q_BHSE[:, :, read_t], [f_t], bias_t))
            return next_m_BPD, next_t_BTD
        batch = f_m_BPD.shape[0]  # len() is a number of Python, which an export would freeze
        v_prime = VitParts(self.V_text_to_mel) if self.V_text_to_mel else v
        l_prime = BertParts(self.L_text_to_mel) if self.L_text_to_mel else l
        f_m_prime = f_m if v_prime is v else v_prime.project(f_m_BPD)
        f_t_prime = f_t if l_prime is l else l_prime.project(f_t_BTD)

        # (1) [m_hat, v_hat] = V(F_m (+) v), of which v_hat is read on
        joint = v.project(self.v_JD[None]).expand(batch)
        v_hat_BJD = v.finish(self.v_JD.expand(batch, -1, -1), attend(v, joint.q_BHSE, [f_m, joint], bias_m))
        v_bar_BJD = self.mlp(v_hat_BJD)
        # (2) [F_t_next, _] = L(F_t (+) v_bar)
        attended_BHTE = attend(l, f_t.q_BHSE[:, :, read_t], [f_t, l.project(v_bar_BJD)], bias_t)
        next_t_BTD = l.finish(f_t_BTD[:, read_t], attended_BHTE)
        # (3) [t_hat, v'_hat] = L'(F_t (+) v'), of which v'_hat is read on
        joint = l_prime.project(self.v_prime_JD[None]).expand(batch)
        v_hat_BJD = l_prime.finish(
            self.v_prime_JD.expand(batch, -1, -1), attend(l_prime, joint.q_BHSE, [f_t_prime, joint], bias_t)
        )
        v_bar_BJD = self.mlp_prime(v_hat_BJD)
        # (4) [F_m_next, _] = V'(F_m (+) v'_bar)
        attended_BHPE = attend(v_prime, f_m_prime.q_BHSE[:, :, read_m], [f_m_prime, v_prime.project(v_bar_BJD)], bias_m)
        next_m_BPD = v_prime.finish(f_m_BPD[:, read_m], attended_BHPE)
        return next_m_BPD, next_t_BTD


class JFM(Fusion):
    """The model of the paper: blocks between the streams, and a classifier on each stream's CLS (Eq. 1-5).

    A stream alone has nothing to be fused with: it passes all of its layers before it is classified.
    """

    classifiers = True

    def __init__(self, config: ModelConfig, bert: BertStack, vit: VitStack) -> None:
        super().__init__(config, bert, vit)
        jfm, width = config.jfm, vit.width
        self.streams_swap = jfm.streams == "literal"
        self.blocks = nn.ModuleList()
        if config.model.modality == "T+A":
            std = random_weight_std(width) if jfm.joint_init_std == "auto" else jfm.joint_init_std
            layers, blocks = _split(bert.layers, jfm, "bert")[1], _split(list(vit.vit.blocks), jfm, "vit")[1]
            self.blocks.extend(
                JointBlock(block, layer, width=width, joint_len=jfm.joint_len, init_std=std, tied=jfm.tied)
                for layer, block in zip(layers, blocks, strict=True)
            )

    @classmethod
    def plan(cls, config: ModelConfig, bert: BertStack, vit: VitStack) -> StreamPlan:
        """Return the layers before those that take part in the fusion; of a stream alone, all of them.

        Raises:
            ErcError: The widths of BERT and ViT differ, or there are fewer layers than jfm.n_blocks.
        """
        jfm, modality = config.jfm, config.model.modality
        if modality == "T+A" and vit.width != bert.width:
            raise ErcError(f"the ViT is {vit.width} wide and the BERT {bert.width}: joint vectors need one width")
        text, fused_text = _split(bert.layers, jfm, "bert") if "T" in modality else ([], [])
        speech, fused_speech = _split(list(vit.vit.blocks), jfm, "vit") if "A" in modality else ([], [])
        if modality != "T+A":
            text, speech = text + fused_text, speech + fused_speech
        return StreamPlan(bert.width, text, speech, cls_only=modality != "T+A", classifiers=cls.classifiers)

    def forward(self, text: Encoded | None, speech: Encoded | None) -> Output:
        """Classify a batch."""
        if text is None or speech is None:
            return average(text, speech)
        f_t, mask_t, f_m, mask_m = text.sequence_BSD, text.mask_BS, speech.sequence_BSD, speech.mask_BS
        for number, block in enumerate(self.blocks, start=1):
            f_m, f_t = block(f_m, mask_m, f_t, mask_t, cls_only=number == len(self.blocks))
            if self.streams_swap:
                # Eq. 2 writes F_{m->t} on the left and Eq. 1 of the next block reads it: the streams swap transformers
                f_m, mask_m, f_t, mask_t = f_t, mask_t, f_m, mask_m
        return average(replace(text, sequence_BSD=f_t), replace(speech, sequence_BSD=f_m))


def _split(layers: list[Layer], jfm: JFMParams, name: str) -> tuple[list[Layer], list[Layer]]:
    """Return the layers that run before the fusion, and the N that take part in it."""
    if jfm.n_blocks > len(layers):
        raise ErcError(f"jfm.n_blocks = {jfm.n_blocks}: the {name} of this backbone has {len(layers)} layers")
    if jfm.layers == "first":
        return [], layers[: jfm.n_blocks]
    return layers[: -jfm.n_blocks], layers[-jfm.n_blocks :]
