"""What a model of single utterances reads and what it says.

B batch, T text tokens, E width of the frozen encoder, F frames (in features_BF the features' width), M mel bins, C classes.
"""

from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class TensorBatch:
    """Tensors that go to a device together."""

    on_cpu: ClassVar[str]  # the one that stays where it is

    def to(self, device: torch.device) -> Self:
        """Return the batch on a device."""
        names = [field.name for field in fields(self) if field.name != self.on_cpu]
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in names})


@dataclass(frozen=True)
class Batch(TensorBatch):
    """Padded features of some utterances."""

    on_cpu = "index_B"

    text_BTE: Tensor  # token-level output of the frozen encoder
    tokens_B: Tensor  # tokens of each utterance
    mel_BFM: Tensor  # log-mel frames as cached, not standardised
    frames_B: Tensor  # frames of each utterance; 0 where there is no speech
    labels_B: Tensor  # index into the labels; empty when predicting
    index_B: Tensor  # place of each utterance in the features, on the CPU


@dataclass(frozen=True)
class Output:
    """What a model says about a batch."""

    logits_BC: Tensor  # scores of the classes; where each stream has a classifier, the average of theirs (Eq. 5).
    text_logits_BC: Tensor | None  # of the text stream's own classifier; None where it has none
    mel_logits_BC: Tensor | None  # of the speech stream's own classifier; None where it has none
    features_BF: Tensor  # F of Eq. 6, what the classifiers read, joined: D for each of their vectors.
