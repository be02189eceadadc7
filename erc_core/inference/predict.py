"""Run a model over utterances."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from erc_core.inference.batching import evaluation_batches
from erc_core.inference.feature_set import FeatureSet
from erc_core.models.streams import UtteranceClassifier


@dataclass(frozen=True)
class Predictions:
    """Logits of some utterances.

    Attributes:
        indices: (n,) their places in the features, in the order asked for.
        logits: (n, C) float32.
        gold: (n,) class indices.
    """

    indices: NDArray[np.int64]
    logits: NDArray[np.float32]
    gold: NDArray[np.int64]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(n,) the class with the largest logit."""
        predicted: NDArray[np.int64] = self.logits.argmax(axis=1)
        return predicted

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(n, C) softmax of the logits."""
        return torch.softmax(torch.from_numpy(self.logits).double(), dim=1).numpy()


def lengths_for_batching(features: FeatureSet, indices: NDArray[np.int64], modality: str) -> NDArray[np.int64]:
    """Return what to sort utterances by: frames where the model hears, tokens where it only reads."""
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
    dtype: torch.dtype = torch.float32,
) -> Predictions:
    """Return the logits of some utterances.

    Args:
        model: On the device.
        features: The corpus.
        indices: (n,) places of the utterances.
        batch_size: Utterances per forward pass.
        device: Where to run.
        dtype: bfloat16 for mixed precision.
    """
    model.eval()
    lengths = lengths_for_batching(features, indices, model.config.model.modality)
    batches = evaluation_batches(indices, lengths, batch_size)
    logits = []
    for batch_indices in batches:
        batch = features.batch(batch_indices).to(device)
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            logits.append(model(batch).logits_BC.float())
    by_length = np.concatenate(batches)
    # the batches hold the same places in another order: put each row where it was asked for
    row_of = {place: row for row, place in enumerate(by_length)}
    order = np.array([row_of[place] for place in indices], np.int64)
    return Predictions(indices, torch.cat(logits).cpu().numpy()[order], features.labels[indices])
