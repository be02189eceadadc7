"""SCFA, a peer system: transformers over the utterances of a dialogue in each modality, then attention across modalities.

After Zhao et al., "Speaker-aware Cross-modal Fusion Architecture for Conversational Emotion Recognition" (Interspeech 2023);
docs/systems/scfa.md says what is theirs and what had to be decided here.

B dialogues, U utterances, E width of the text vectors, S width of the speech vectors, W width of the model, C classes.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from erc_core.inference.dialogues import DialogueBatch, DialogueOutput, DialogueShapes
from erc_core.models.cross_attention import CrossModalFusionAttention
from erc_core.params.peers import ScfaParams
from erc_core.peers.masked_encoder import MaskedEncoderLayer
from erc_core.training.losses import Losses

DIFFERENCES = [
    "no code of the authors is public: the architecture as the literature describes it, not a replica",
    "how its three transformers meet, positions and all hyper-parameters are decided here",
    "no features fine-tuned on the corpus",
]

FEEDFORWARD = 4  # width of a feed-forward layer, in widths of the model, as in Vaswani et al. 2017


class SpeakerMasks(NamedTuple):
    """What each utterance (rows) may attend to (columns), (B, U, U), true = may."""

    context: Tensor  # every utterance of the dialogue
    same: Tensor  # those of the same speaker, itself among them
    other: Tensor  # those of other speakers


def speaker_masks(speakers_BU: Tensor, present_BU: Tensor) -> SpeakerMasks:
    """Return the three masks; no utterance is attended to that is not present, that is, lacks the modality."""
    same_BUU = speakers_BU[:, :, None] == speakers_BU[:, None, :]
    context_BUU = present_BU[:, None, :].expand_as(same_BUU)
    return SpeakerMasks(context=context_BUU, same=context_BUU & same_BUU, other=context_BUU & ~same_BUU)


class MaskedTransformer(nn.Module):
    """Transformer encoder layers over utterances, under one of the masks."""

    def __init__(self, params: ScfaParams) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            MaskedEncoderLayer(params.width, params.heads, FEEDFORWARD * params.width, params.dropout)
            for _ in range(params.layers)
        )

    def forward(self, h_BUW: Tensor, may_attend_BUU: Tensor) -> Tensor:
        """Return (B, U, W); zero for an utterance that may attend to nothing, as this branch has nothing to say of it."""
        has_any_BU1 = may_attend_BUU.any(dim=2, keepdim=True)
        # a softmax over nothing is NaN: such an utterance attends to itself, and the result is dropped
        itself_UU = torch.eye(h_BUW.shape[1], dtype=torch.bool, device=h_BUW.device)
        may_attend_BUU = may_attend_BUU | (itself_UU & ~has_any_BU1)
        for layer in self.layers:
            h_BUW = layer(h_BUW, may_attend_BUU)
        return h_BUW.masked_fill(~has_any_BU1, 0.0)


class ConversationEncoder(nn.Module):
    """The intra-modal half of SCFA: a context encoder and a speaker-aware encoder for one modality.

    H = dropout(Linear(x) + position); three transformers read H, under the context, the same-speaker and the
    other-speaker mask; Z = LN(H + Linear([context, same, other])).
    """

    def __init__(self, width_in: int, params: ScfaParams) -> None:
        """Make the layers for utterance vectors of some width."""
        super().__init__()
        self.enter = nn.Linear(width_in, params.width)
        self.context = MaskedTransformer(params)
        self.same = MaskedTransformer(params)
        self.other = MaskedTransformer(params)
        self.join = nn.Linear(3 * params.width, params.width)
        self.norm = nn.LayerNorm(params.width)
        self.dropout = nn.Dropout(params.dropout)

    def forward(self, vectors_BUX: Tensor, masks: SpeakerMasks) -> Tensor:
        """Return Z, (B, U, W), from one vector for each utterance."""
        h_BUW = self.enter(vectors_BUX)
        h_BUW = self.dropout(h_BUW + _sinusoids(h_BUW))
        branches = (
            self.context(h_BUW, masks.context),
            self.same(h_BUW, masks.same),
            self.other(h_BUW, masks.other),
        )
        z_BUW: Tensor = self.norm(h_BUW + self.dropout(self.join(torch.cat(branches, dim=2))))
        return z_BUW


class SCFA(nn.Module):
    """The system: a conversation encoder for each modality, CFA over the utterances, one linear classifier.

    With both modalities the classifier reads [Z_a, Z_t, Z_a', Z_t']; with one, its Z, and there is no CFA.
    """

    def __init__(self, params: ScfaParams, shapes: DialogueShapes) -> None:
        super().__init__()
        self.text = ConversationEncoder(shapes.text_width, params) if "T" in shapes.modality else None
        self.speech = ConversationEncoder(shapes.speech_width, params) if "A" in shapes.modality else None
        both = self.text is not None and self.speech is not None
        self.cfa = CrossModalFusionAttention(params.width) if both else None
        self.dropout = nn.Dropout(params.dropout)
        self.classifier = nn.Linear((4 if both else 1) * params.width, len(shapes.class_counts))

    def forward(self, batch: DialogueBatch) -> DialogueOutput:
        """Return logits, and the modalities' features after CFA (Z_t', Z_a'), or Z with one modality.

        Padding never changes a dialogue's result: every attention masks it. An utterance without speech is never attended
        to as speech; what the system says of its speech comes from the rest of the dialogue.
        """
        text = speech = None
        if self.text is not None:
            text = self.text(batch.text_BUE, speaker_masks(batch.speakers_BU, batch.mask_BU))
        has_speech_BU = batch.mask_BU & batch.has_speech_BU
        if self.speech is not None:
            speech = self.speech(batch.speech_BUS, speaker_masks(batch.speakers_BU, has_speech_BU))
        features = [z_BUW for z_BUW in (speech, text) if z_BUW is not None]
        if self.cfa is not None and text is not None and speech is not None:
            text, speech = self.cfa(text, batch.mask_BU, speech, has_speech_BU)
            features += [speech, text]
        logits_BUC = self.classifier(self.dropout(torch.cat(features, dim=2)))
        return DialogueOutput(logits_BUC=logits_BUC, text_BUW=text, speech_BUW=speech)

    def loss(self, output: DialogueOutput, batch: DialogueBatch) -> Losses:
        """Return the cross entropy over the utterances of a batch that has at least one; there is no contrastive term."""
        erc = F.cross_entropy(output.logits_BUC.float().flatten(0, 1), batch.labels_BU.flatten(), ignore_index=-1)
        return Losses(erc, erc.detach(), torch.zeros_like(erc))


def _sinusoids(h_BUW: Tensor) -> Tensor:
    """Return the position encoding of Vaswani et al. 2017, section 3.5, (U, W).

    Column 2i is sin(position / 10000^(2i / W)), column 2i + 1 the cosine.
    """
    positions, width = h_BUW.shape[1:]
    even_columns = torch.arange(0, width, 2, dtype=torch.float64, device=h_BUW.device)
    angles = torch.arange(positions, device=h_BUW.device)[:, None] * 10_000.0 ** (-even_columns / width)
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :width].to(h_BUW.dtype)
