"""MultiEMO (Shi & Huang, ACL 2023) with text and speech: context per modality, MultiAttn, one classifier.

B dialogues, U utterances of the longest dialogue, K utterances of all dialogues, W width, C classes.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from erc_core.inference.dialogues import DialogueBatch, DialogueOutput
from erc_core.params.peers import MultiEmoParams
from erc_core.peers.dialogue_rnn import DialogueRNN
from erc_core.peers.multiattn import MultiAttn
from erc_core.peers.soft_hgr import soft_hgr_loss
from erc_core.peers.swfc import class_weights, swfc_loss
from erc_core.training.losses import Losses


class MultiEMO(nn.Module):
    """MultiEMO without its visual stream; docs/systems/multiemo.md says what else differs from the paper.

    With one modality there is its context and the classifier: no MultiAttn and no Soft-HGR.
    """

    def __init__(
        self,
        params: MultiEmoParams,
        *,
        modality: Literal["T", "A", "T+A"],
        text_width: int,
        speech_width: int,
        class_counts: Sequence[int],
    ) -> None:
        """Make the system.

        Args:
            params: Section multiemo.
            modality: Which modalities are read.
            text_width: Width of an utterance's text vector.
            speech_width: Width of its speech vector.
            class_counts: Utterances of each class in the train split, in the order of the labels.
        """
        super().__init__()
        self.params = params
        has_text, has_speech = "T" in modality, "A" in modality
        modalities = has_text + has_speech
        self.enter_text = nn.Linear(text_width, params.width) if has_text else None
        self.enter_speech = nn.Linear(speech_width, params.width) if has_speech else None
        self.context = DialogueRNN(modalities, params.width, params.dropout)
        self.fusion = MultiAttn(params) if modalities == 2 else None
        self.join = nn.Linear(modalities * params.width, params.width)
        self.classifier = nn.Sequential(
            nn.Linear(params.width, params.width),
            nn.ReLU(),
            nn.Dropout(params.dropout),
            nn.Linear(params.width, len(class_counts)),
        )
        self.class_weights_C: Tensor
        # made from the arguments, so it needs no place among the saved weights
        self.register_buffer("class_weights_C", class_weights(class_counts, params.alpha), persistent=False)

    def forward(self, batch: DialogueBatch) -> DialogueOutput:
        """Classify every utterance of the dialogues."""
        entered = []
        if self.enter_text is not None:
            entered.append(self.enter_text(batch.text_BUE))
        if self.enter_speech is not None:
            entered.append(self.enter_speech(batch.speech_BUS))
        features = self.context(torch.stack(entered), batch.speakers_BU, batch.utterances_B).unbind(0)
        if self.fusion is not None:
            features = self.fusion(*features, batch.mask_BU)
        return DialogueOutput(
            logits_BUC=self.classifier(self.join(torch.cat(features, dim=-1))),
            text_BUW=None if self.enter_text is None else features[0],
            speech_BUW=None if self.enter_speech is None else features[-1],
        )

    def loss(self, output: DialogueOutput, batch: DialogueBatch) -> Losses:
        """Return the weighted sum of SWFC, Soft-HGR and cross entropy over the batch's utterances, and its parts.

        Soft-HGR is divided by K, as in the authors' code, where the paper's weights were found: undivided it reaches -W/2
        and drowns the cross entropy. `icl` of the result is the SWFC term.
        """
        mask_BU = batch.mask_BU
        features = [part_BUW[mask_BU] for part_BUW in (output.text_BUW, output.speech_BUW) if part_BUW is not None]
        labels_K = batch.labels_BU[mask_BU]
        cross_entropy = F.cross_entropy(output.logits_BUC[mask_BU].float(), labels_K)
        total, swfc = self.params.ce_weight * cross_entropy, torch.zeros_like(cross_entropy)
        if self.params.swfc_weight:
            # the joined features are what SWFC orders; they cost less to make again than to hand through every caller
            joined_KW = self.join(torch.cat(features, dim=-1))
            swfc = swfc_loss(
                joined_KW,
                labels_K,
                self.class_weights_C,
                temperature=self.params.temperature,
                gamma=self.params.gamma,
            )
            total = total + self.params.swfc_weight * swfc
        if len(features) == 2 and self.params.soft_hgr_weight:
            soft_hgr = soft_hgr_loss(*features) / len(labels_K)
            total = total + self.params.soft_hgr_weight * soft_hgr
        return Losses(total, cross_entropy.detach(), swfc.detach())
