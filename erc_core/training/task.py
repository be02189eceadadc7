"""What a trainer needs to know of a system: its batches, its loss and its predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from erc_core.inference.batching import training_batches
from erc_core.inference.feature_set import FeatureSet
from erc_core.inference.predict import Predictions, lengths_for_batching, mixed_precision, predict
from erc_core.models.batch import Batch, Output
from erc_core.models.classifier import UtteranceClassifier
from erc_core.params.model import ICLParams
from erc_core.training.accumulate import backward_in_parts
from erc_core.training.losses import Losses, training_loss
from erc_core.training.processes import ALONE, Processes
from erc_core.training.settings import TrainingSettings


class Task(Protocol):
    """A model with the corpus it learns. A batch is an array of places: of utterances, or of whole dialogues."""

    @property
    def model(self) -> nn.Module:
        """The model, on the device."""

    @property
    def labels(self) -> Sequence[str]:
        """Emotion names in the order of the logits."""

    @property
    def device(self) -> torch.device:
        """Where the model computes."""

    def batches(self, seed: int, epoch: int) -> list[NDArray[np.int64]]:
        """Return the batches of one epoch of training, in an order that seed and epoch decide."""

    def places(self, batch: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of utterances.parquet that a batch holds."""

    def learn(self, batch: NDArray[np.int64]) -> Losses:
        """Run the model on a batch, add the gradient of its loss to those of the parameters, and return the loss."""

    def predict(self, split: str) -> Predictions:
        """Return the logits of a split's utterances, in the order of utterances.parquet."""


@dataclass
class UtteranceTask:
    """Classify single utterances: the JFM, one stream alone, and the other fusions."""

    model: UtteranceClassifier  # it is moved to the device, and every process is given the same weights
    features: FeatureSet  # the corpus
    settings: TrainingSettings  # of the training
    icl: ICLParams  # section icl
    device: torch.device  # where to compute
    processes: Processes = ALONE  # those that share each batch and each split among them

    def __post_init__(self) -> None:
        self.model.to(self.device)
        self.processes.copy_from_main(self.model)
        self.labels = self.model.config.labels
        self.train_indices = self.features.split("train")
        self.lengths = lengths_for_batching(self.features, self.train_indices, self.model.config.model.modality)

    def batches(self, seed: int, epoch: int) -> list[NDArray[np.int64]]:
        """Return batches of utterances of similar length."""
        return training_batches(self.train_indices, self.lengths, self.settings.batch_size, seed=seed, epoch=epoch)

    def places(self, batch: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the batch: it holds places of utterances."""
        return batch

    def learn(self, batch: NDArray[np.int64]) -> Losses:
        """Add the gradient of L_ERC + lambda L_ICL of a batch, which all processes compute together."""
        share = self.processes.share(batch)
        # neighbours in one part: they are of similar length
        parts = np.array_split(share, min(self.settings.accumulate, len(share)))
        labels_B = torch.from_numpy(self.features.labels[batch]).to(self.device)
        losses = backward_in_parts(
            self._run,
            lambda whole_BX: training_loss(self._as_output(whole_BX), labels_B, self.icl),
            [self.features.batch(part) for part in parts],
            total=len(batch),
            processes=self.processes,
            device=self.device,
        )
        self.processes.sum_gradients(self.model.parameters())
        return losses

    def _run(self, part: Batch) -> Tensor:
        with mixed_precision(self.settings.precision, self.device):
            output = self.model(part.to(self.device))
        return torch.cat([output.logits_BC.float(), output.features_BF.float()], dim=1)

    def _as_output(self, whole_BX: Tensor) -> Output:
        logits_BC, features_BF = whole_BX.tensor_split([len(self.labels)], dim=1)
        return Output(logits_BC=logits_BC, text_logits_BC=None, mel_logits_BC=None, features_BF=features_BF)

    def predict(self, split: str) -> Predictions:
        """Return the logits of a split's utterances."""
        indices = self.features.split(split)
        own = predict(
            self.model,
            self.features,
            self.processes.share(indices),
            batch_size=2 * self.settings.batch_size,
            device=self.device,
            precision=self.settings.precision,
        )
        logits_NC = self.processes.gather(torch.from_numpy(own.logits).to(self.device), len(indices))
        return Predictions(indices, logits_NC.cpu().numpy(), self.features.labels[indices])
