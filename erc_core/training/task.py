"""What a trainer needs to know of a system: its batches, its loss and its predictions."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from erc_core.losses.total import Losses, training_loss
from erc_core.models.spec_augment import SpecAugment
from erc_core.models.streams import UtteranceClassifier
from erc_core.params.model import ICLParams
from erc_core.params.training import ResolvedTraining, TrainParams
from erc_core.training.batching import training_batches
from erc_core.training.features import FeatureSet
from erc_core.training.precision import autocast_dtype
from erc_core.training.predict import Predictions, lengths_for_batching, predict


class Task(Protocol):
    """A model with the corpus it learns. A batch is an array of places: of utterances, or of whole dialogues."""

    @property
    def model(self) -> nn.Module:
        """The model, on the device."""

    @property
    def labels(self) -> Sequence[str]:
        """Emotion names in the order of the logits."""

    def batches(self, seed: int, epoch: int) -> list[NDArray[np.int64]]:
        """Return the batches of one epoch of training, in an order that seed and epoch decide."""

    def places(self, batch: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of utterances.parquet that a batch holds."""

    def losses(self, batch: NDArray[np.int64]) -> Losses:
        """Run the model on a batch and return its losses, ready for backward."""

    def predict(self, split: str) -> Predictions:
        """Return the logits of a split's utterances, in the order of utterances.parquet."""


class UtteranceTask:
    """Classify single utterances: the JFM, one stream alone, and the other fusions."""

    def __init__(
        self,
        model: UtteranceClassifier,
        features: FeatureSet,
        *,
        train: TrainParams,
        resolved: ResolvedTraining,
        icl: ICLParams,
        device: torch.device,
    ) -> None:
        """Prepare the batches.

        Args:
            model: On any device; it is moved.
            features: The corpus.
            train: Section train: batch_size and precision are read here.
            resolved: Its values after `auto`: what augments the training batches.
            icl: Section icl.
            device: Where to compute.
        """
        self.model = model.to(device)
        self.labels = model.config.labels
        self.features = features
        self.batch_size = train.batch_size
        self.icl = icl
        self.device = device
        self.dtype = autocast_dtype(train.precision, device)
        if model.has_mel:
            model.patches.patchout = resolved.patchout
            model.patches.spec_augment = SpecAugment(
                freq_mask=resolved.freq_mask, time_mask=resolved.time_mask, masks=resolved.masks
            )
        self.train_indices = features.split("train")
        self.lengths = lengths_for_batching(features, self.train_indices, model.config.model.modality)

    def batches(self, seed: int, epoch: int) -> list[NDArray[np.int64]]:
        """Return batches of utterances of similar length."""
        return training_batches(self.train_indices, self.lengths, self.batch_size, seed=seed, epoch=epoch)

    def places(self, batch: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the batch: it holds places of utterances."""
        return batch

    def losses(self, batch: NDArray[np.int64]) -> Losses:
        """Return L_ERC + lambda L_ICL of a batch."""
        utterances = self.features.batch(batch).to(self.device)
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            output = self.model(utterances)
        return training_loss(output, utterances.labels_B, self.icl)

    def predict(self, split: str) -> Predictions:
        """Return the logits of a split's utterances."""
        return predict(
            self.model,
            self.features,
            self.features.split(split),
            batch_size=2 * self.batch_size,
            device=self.device,
            dtype=self.dtype,
        )
