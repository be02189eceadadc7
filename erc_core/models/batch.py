"""What a model of single utterances reads and what it says.

B batch, T text tokens, E width of the frozen encoder, F frames (in features_BF the features' width), M mel bins, C classes.
"""

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

BatchT = TypeVar("BatchT", bound="DataclassInstance")


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
        return on_device(self, device, but="index_B")


def on_device(batch: BatchT, device: torch.device, *, but: str) -> BatchT:
    """Return a batch of tensors on a device; one of them stays where it is."""
    moved = {
        field.name: getattr(batch, field.name).to(device, non_blocking=True)
        for field in fields(batch)
        if field.name != but
    }
    return replace(batch, **moved)


@dataclass(frozen=True)
class Output:
    """What a model says about a batch.

    Attributes:
        logits_BC: Scores of the classes; where each stream has a classifier, the average of theirs (Eq. 5).
        text_logits_BC: Of the text stream's own classifier; None where it has none.
        mel_logits_BC: Of the speech stream's own classifier; None where it has none.
        features_BF: F of Eq. 6, what the classifiers read, joined: D for each of their vectors.
    """

    logits_BC: Tensor
    text_logits_BC: Tensor | None
    mel_logits_BC: Tensor | None
    features_BF: Tensor
