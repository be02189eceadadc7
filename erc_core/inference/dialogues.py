"""What systems that read whole dialogues take and give.

B dialogues, U utterances of the longest dialogue, E width of the text vectors, S width of the speech vectors, C classes, W
width of a modality's features.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from erc_core.models.batch import on_device


@dataclass(frozen=True)
class DialogueBatch:
    """Padded dialogues, one vector for each utterance and modality.

    Attributes:
        text_BUE: Mean of the frozen encoder's tokens, standardised with the train split's statistics.
        speech_BUS: Mean and standard deviation over the frames of each mel bin, standardised likewise; zero where there
            is no speech.
        heard_BU: Whether the utterance has speech.
        utterances_B: Utterances of each dialogue.
        speakers_BU: Index of the speaker among those of the dialogue; -1 in padding.
        labels_BU: Index into the labels; -1 in padding.
        index_BU: Place of each utterance in the features, on the CPU; -1 in padding.
    """

    text_BUE: Tensor
    speech_BUS: Tensor
    heard_BU: Tensor
    utterances_B: Tensor
    speakers_BU: Tensor
    labels_BU: Tensor
    index_BU: Tensor

    @property
    def mask_BU(self) -> Tensor:  # noqa: N802 - a shape suffix
        """Whether there is an utterance."""
        return self.speakers_BU >= 0

    def to(self, device: torch.device) -> "DialogueBatch":
        """Return the batch on a device."""
        return on_device(self, device, but="index_BU")


@dataclass(frozen=True)
class DialogueOutput:
    """What a system says about a batch of dialogues; numbers in padding mean nothing.

    Attributes:
        logits_BUC: Scores of the classes.
        text_BUW: Features of the text after fusion; None without text.
        speech_BUW: Features of the speech after fusion; None without speech.
    """

    logits_BUC: Tensor
    text_BUW: Tensor | None
    speech_BUW: Tensor | None
