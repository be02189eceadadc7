"""Whole dialogues as batches, for models that read one vector for each utterance and modality, and what such models say.

N utterances of the corpus, B dialogues, U utterances of the longest dialogue, E width of the text vectors, S width of the
speech vectors, C classes, W width of a modality's features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from erc_core.inference.feature_set import FeatureSet, Modality
from erc_core.models.batch import TensorBatch
from erc_core.store.utterances import SPLITS

PADDING = -1


@dataclass(frozen=True)
class DialogueBatch(TensorBatch):
    """Padded dialogues, one vector for each utterance and modality."""

    on_cpu = "index_BU"

    text_BUE: Tensor  # mean of the frozen encoder's tokens, standardised with the train split's statistics
    # mean and standard deviation over the frames of each mel bin, standardised likewise; zero where there is no speech
    speech_BUS: Tensor
    has_speech_BU: Tensor  # whether the utterance has speech
    utterances_B: Tensor  # utterances of each dialogue
    speakers_BU: Tensor  # index of the speaker among those of the dialogue; -1 in padding
    labels_BU: Tensor  # index into the labels; -1 in padding
    index_BU: Tensor  # place of each utterance in the features, on the CPU; -1 in padding

    @property
    def mask_BU(self) -> Tensor:  # noqa: N802 - a shape suffix
        """Whether there is an utterance."""
        return self.speakers_BU != PADDING


@dataclass(frozen=True)
class DialogueOutput:
    """What a system says about a batch of dialogues; numbers in padding mean nothing."""

    logits_BUC: Tensor  # scores of the classes
    text_BUW: Tensor | None  # features of the text after fusion; None without text
    speech_BUW: Tensor | None  # features of the speech after fusion; None without speech


class DialogueShapes(NamedTuple):
    """What a system has to know of a corpus to be made."""

    modality: Literal["T", "A", "T+A"]  # which modalities are read
    text_width: int  # E
    speech_width: int  # S
    class_counts: list[int]  # utterances of each class in the train split, in the order of the labels


class DialogueFeatures:
    """The cached features of a corpus, one vector for each utterance and modality, in memory.

    Text is the mean of the frozen encoder's tokens; speech the mean and the standard deviation over the frames of each mel
    bin (the functionals that the field takes from openSMILE, on our features). Both are standardised with the train split's
    statistics: the means of an encoder's tokens share an offset many times as large as their differences.

    Attributes:
        labels: (N,) class indices.
        dialogues: For each split, the places of each dialogue's utterances.
    """

    def __init__(self, features: FeatureSet) -> None:
        """Read all utterances once; the corpus may be closed afterwards."""
        utterances = features.utterances
        self.labels = features.labels
        self.has_speech_N = features.mel.lengths > 0
        train_N = np.zeros(len(utterances), np.bool_)
        train_N[features.split("train")] = True
        text_NE = _summarise(features.text, features.text.width, lambda tokens: tokens.mean(axis=0))
        speech_NS = _summarise(
            features.mel,
            2 * features.mel.width,
            lambda frames: np.concatenate([frames.mean(axis=0), frames.std(axis=0)]),
        )
        self.text_NE = _standardise(text_NE, seen_N=train_N)
        self.speech_NS = _standardise(speech_NS, seen_N=train_N & self.has_speech_N)
        self.speech_NS[~self.has_speech_N] = 0.0
        self.speaker_N = utterances["speaker"].fill_null("").cast(pl.Categorical).to_physical().to_numpy()
        self.dialogues = {split: _dialogues(utterances, features.split(split)) for split in SPLITS}

    def shapes(self, modality: Literal["T", "A", "T+A"], n_labels: int) -> DialogueShapes:
        """Return what a system of these dialogues has to know."""
        counts = np.bincount(self.labels[np.concatenate(self.dialogues["train"])], minlength=n_labels)
        return DialogueShapes(modality, self.text_NE.shape[1], self.speech_NS.shape[1], counts.tolist())

    def batch(self, dialogues: Sequence[NDArray[np.int64]]) -> DialogueBatch:
        """Return the batch of some dialogues, each given by the places of its utterances, on the CPU."""
        sizes = [len(places) for places in dialogues]
        index_BU = np.full((len(dialogues), max(sizes)), PADDING, np.int64)
        speakers_BU = np.full_like(index_BU, PADDING)
        for row, places in enumerate(dialogues):
            index_BU[row, : len(places)] = places
            speakers_BU[row, : len(places)] = np.unique(self.speaker_N[places], return_inverse=True)[1]
        real_BU = index_BU != PADDING

        def padded(values: NDArray[Any], fill: float) -> Tensor:
            taken = values[index_BU]  # padding takes the last row, and is overwritten
            taken[~real_BU] = fill
            return torch.from_numpy(taken)

        return DialogueBatch(
            text_BUE=padded(self.text_NE, 0.0),
            speech_BUS=padded(self.speech_NS, 0.0),
            has_speech_BU=padded(self.has_speech_N, False),
            utterances_B=torch.tensor(sizes),
            speakers_BU=torch.from_numpy(speakers_BU),
            labels_BU=padded(self.labels, PADDING),
            index_BU=torch.from_numpy(index_BU),
        )


def _summarise(
    modality: Modality, width: int, summary: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return one vector for each utterance; zeros where it has no frames. ErcError where one is not finite."""
    vectors = np.zeros((len(modality.lengths), width), np.float32)
    with np.errstate(invalid="ignore"):
        for index in np.flatnonzero(modality.lengths):
            vectors[index] = summary(modality.frames_of(int(index)).astype(np.float32))
    if len(broken := np.flatnonzero(~np.isfinite(vectors).all(axis=1))):
        raise modality.not_finite(int(broken[0]))
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
