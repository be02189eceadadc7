"""Run a model over utterances."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from erc_core.inference.batching import evaluation_batches
from erc_core.inference.feature_set import FeatureSet
from erc_core.models.classifier import UtteranceClassifier
from erc_core.params.section import Auto

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Predictions:
    """Logits of some utterances, and their probabilities."""

    indices: NDArray[np.int64]  # (n,) their places in the features, in the order asked for
    logits: NDArray[np.float32]  # (n, C) float32
    gold: NDArray[np.int64]  # (n,) class indices
    temperature: float = 1.0  # T, what the logits are divided by to become probabilities; it changes no label

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(n,) the class with the largest logit."""
        predicted: NDArray[np.int64] = self.logits.argmax(axis=1)
        return predicted

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(n, C) softmax of the logits over the temperature."""
        return probabilities_of(torch.from_numpy(self.logits), self.temperature)


def probabilities_of(logits: torch.Tensor, temperature: float) -> NDArray[np.float64]:
    """Return (n, C) softmax of (n, C) logits over the temperature (Guo et al. 2017, Eq. 9), in double precision."""
    probabilities: NDArray[np.float64] = torch.softmax(logits.double() / temperature, dim=1).cpu().numpy()
    return probabilities


def resolve_precision(precision: Precision | Auto, device: torch.device) -> Precision:
    """Return train.precision; `auto` is bfloat16 on a GPU that has it, float32 elsewhere."""
    if precision != "auto":
        return precision
    return "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"


def mixed_precision(precision: Precision, device: torch.device) -> torch.autocast:
    """Return the context in which a model computes; float32 changes nothing."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def lengths_for_batching(features: FeatureSet, indices: NDArray[np.int64], modality: str) -> NDArray[np.int64]:
    """Return what to sort utterances by: frames where the model reads speech, tokens where it reads text alone."""
    source = features.mel if "A" in modality else features.text
    return source.lengths[indices]


@torch.inference_mode()
def predict(
    model: UtteranceClassifier,
    features: FeatureSet,
    indices: NDArray[np.int64],
    *,
    batch_size: int,
    device: torch.device,
    precision: Precision = "float32",
    temperature: float = 1.0,
) -> Predictions:
    """Return the logits of the utterances at some places, (n,), from a model on its device, with its temperature."""
    model.eval()
    lengths = lengths_for_batching(features, indices, model.config.model.modality)
    batches = evaluation_batches(indices, lengths, batch_size)
    logits = []
    for batch_indices in batches:
        with mixed_precision(precision, device):
            logits.append(model(features.batch(batch_indices).to(device)).logits_BC.float())
    # the batches hold the same places in another order: put each row where it was asked for
    row_of = {place: row for row, place in enumerate(np.concatenate(batches))}
    order = np.array([row_of[place] for place in indices], np.int64)
    return Predictions(indices, torch.cat(logits).cpu().numpy()[order], features.labels[indices], temperature)
