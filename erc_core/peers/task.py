"""The task of a system that reads whole dialogues."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from erc_core.inference.dialogues import PADDING, DialogueFeatures, DialogueOutput
from erc_core.inference.predict import Precision, Predictions
from erc_core.training.losses import Losses

PRECISION: Precision = "float32"  # of every peer, on every device; no autocast


@dataclass
class DialogueTask:
    """Classify the utterances of whole dialogues."""

    # from a DialogueBatch to a DialogueOutput; its method loss(output, batch) gives Losses. It is moved to the device.
    model: nn.Module
    labels: Sequence[str]  # emotion names in the order of the logits
    features: DialogueFeatures  # the corpus
    batch_dialogues: int  # dialogues in a batch
    device: torch.device  # where to compute, in PRECISION: these systems are small

    def __post_init__(self) -> None:
        self.model.to(self.device)

    def batches(self, seed: int, epoch: int) -> list[NDArray[np.int64]]:
        """Return batches of dialogues, by their place among those of the train split."""
        order = np.random.default_rng([seed, epoch]).permutation(len(self.features.dialogues["train"]))
        return [
            order[start : start + self.batch_dialogues].astype(np.int64)
            for start in range(0, len(order), self.batch_dialogues)
        ]

    def places(self, batch: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the places of the utterances of a batch."""
        return np.concatenate([self.features.dialogues["train"][dialogue] for dialogue in batch])

    def learn(self, batch: NDArray[np.int64]) -> Losses:
        """Add the gradient of the system's own loss on a batch."""
        dialogues = self.features.batch([self.features.dialogues["train"][row] for row in batch]).to(self.device)
        system: Any = self.model
        losses: Losses = system.loss(system(dialogues), dialogues)
        losses.total.backward()  # type: ignore[no-untyped-call]
        return losses

    @torch.inference_mode()
    def predict(self, split: str) -> Predictions:
        """Return the logits of a split's utterances, in the order of utterances.parquet."""
        self.model.eval()
        dialogues = self.features.dialogues[split]
        logits, places = [], []
        for start in range(0, len(dialogues), 2 * self.batch_dialogues):
            batch = self.features.batch(dialogues[start : start + 2 * self.batch_dialogues])
            output: DialogueOutput = self.model(batch.to(self.device))
            real_BU = batch.index_BU != PADDING
            logits.append(output.logits_BUC.cpu()[real_BU].float().numpy())
            places.append(batch.index_BU[real_BU].numpy())
        indices = np.concatenate(places)
        order = np.argsort(indices)
        return Predictions(indices[order], np.concatenate(logits)[order], self.features.labels[indices[order]])
