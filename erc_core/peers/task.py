"""Whole dialogues as batches, for systems that read one vector for each utterance and modality; and their task."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from erc_core.inference.dialogues import DialogueBatch, DialogueOutput
from erc_core.inference.feature_set import FeatureSet, Modality
from erc_core.inference.predict import Predictions
from erc_core.training.losses import Losses

PADDING = -1


class DialogueSystem(Protocol):
    """What a task asks of a system; it is an nn.Module too."""

    def __call__(self, batch: DialogueBatch) -> DialogueOutput:
        """Classify the utterances of a batch."""

    def loss(self, output: DialogueOutput, batch: DialogueBatch) -> Losses:
        """Return the system's own loss."""


class DialogueFeatures:
    """The cached features of a corpus, one vector for each utterance and modality, in memory.

    Text is the mean of the frozen encoder's tokens; speech the mean and the standard deviation over the frames of each mel
    bin (the functionals that the field takes from openSMILE, on our features). Both are standardised with the train split's
    statistics: the means of an encoder's tokens share an offset many times as large as their differences.
    """

    def __init__(self, features: FeatureSet) -> None:
        """Read all utterances once.

        Args:
            features: The corpus; it may be closed afterwards.
        """
        utterances = features.utterances
        self.labels = features.labels
        self.text_NE = _summarise(features.text, features.text.width, lambda tokens: tokens.mean(axis=0))
        self.speech_NS = _summarise(
            features.mel,
            2 * features.mel.width,
            lambda frames: np.concatenate([frames.mean(axis=0), frames.std(axis=0)]),
        )
        self.heard_N = features.mel.lengths > 0
        train_N = np.zeros(len(utterances), np.bool_)
        train_N[features.split("train")] = True
        self.text_NE = _standardise(self.text_NE, seen_N=train_N)
        self.speech_NS = _standardise(self.speech_NS, seen_N=train_N & self.heard_N)
        self.speech_NS[~self.heard_N] = 0.0
        self.speaker_N = utterances["speaker"].fill_null("").cast(pl.Categorical).to_physical().to_numpy()
        self.dialogues = {split: _dialogues(utterances, features.split(split)) for split in ("train", "dev", "test")}

    def class_counts(self, n_labels: int) -> list[int]:
        """Return how many utterances each class has in the train split."""
        counts: list[int] = np.bincount(
            self.labels[np.concatenate(self.dialogues["train"])], minlength=n_labels
        ).tolist()
        return counts

    def batch(self, dialogues: Sequence[NDArray[np.int64]]) -> DialogueBatch:
        """Return the batch of some dialogues, each given by the places of its utterances, on the CPU."""
        sizes = [len(places) for places in dialogues]
        index_BU = np.full((len(dialogues), max(sizes)), PADDING, np.int64)
        speakers_BU = np.full_like(index_BU, PADDING)
        for row, places in enumerate(dialogues):
            index_BU[row, : len(places)] = places
            speakers_BU[row, : len(places)] = np.unique(self.speaker_N[places], return_inverse=True)[1]
        there_BU = index_BU != PADDING

        def padded(values: NDArray[Any], fill: float) -> Tensor:
            taken = values[index_BU]  # padding takes the last row, and is overwritten
            taken[~there_BU] = fill
            return torch.from_numpy(taken)

        return DialogueBatch(
            text_BUE=padded(self.text_NE, 0.0),
            speech_BUS=padded(self.speech_NS, 0.0),
            heard_BU=padded(self.heard_N, False),
            utterances_B=torch.tensor(sizes),
            speakers_BU=torch.from_numpy(speakers_BU),
            labels_BU=padded(self.labels, PADDING),
            index_BU=torch.from_numpy(index_BU),
        )


class DialogueTask:
    """Classify the utterances of whole dialogues."""

    def __init__(
        self,
        model: nn.Module,
        labels: Sequence[str],
        features: DialogueFeatures,
        *,
        batch_dialogues: int,
        device: torch.device,
    ) -> None:
        """Prepare the batches.

        Args:
            model: A DialogueSystem, on any device; it is moved.
            labels: Emotion names in the order of the logits.
            features: The corpus.
            batch_dialogues: Dialogues in a batch.
            device: Where to compute, in float32: these systems are small.
        """
        self.model = model.to(device)
        self.labels = labels
        self.features = features
        self.batch_dialogues = batch_dialogues
        self.device = device

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
            there_BU = batch.index_BU != PADDING
            logits.append(output.logits_BUC.cpu()[there_BU].float().numpy())
            places.append(batch.index_BU[there_BU].numpy())
        indices = np.concatenate(places)
        order = np.argsort(indices)
        return Predictions(indices[order], np.concatenate(logits)[order], self.features.labels[indices[order]])


def _summarise(
    modality: Modality, width: int, summary: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return one vector for each utterance; zeros where it has no frames."""
    vectors = np.zeros((len(modality.lengths), width), np.float32)
    for index in np.flatnonzero(modality.lengths):
        vectors[index] = summary(modality.frames_of(int(index)).astype(np.float32))
    return vectors


def _standardise(vectors_ND: NDArray[np.float32], seen_N: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the vectors less the mean of those seen, over their standard deviation."""
    if not seen_N.any():
        return vectors_ND
    seen = vectors_ND[seen_N]
    standard: NDArray[np.float32] = (vectors_ND - seen.mean(axis=0)) / np.maximum(seen.std(axis=0), 1e-6)
    return standard


def _dialogues(utterances: pl.DataFrame, places: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the places of each dialogue's utterances, in the order in which they were said."""
    rows = pl.DataFrame({"place": places}).with_columns(utterances[places].select("dialogue_id", "turn"))
    grouped = rows.sort("turn", maintain_order=True).group_by("dialogue_id", maintain_order=True).agg("place")
    return [np.asarray(places, np.int64) for places in grouped["place"]]
