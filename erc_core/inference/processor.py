"""From raw text and audio to what the model reads; the feature stages run its pieces over a corpus."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from erc_core.models.batch import Batch
from erc_core.params.data import AudioParams, MelParams
from erc_core.speech.mel import LogMel
from erc_core.speech.samples import to_float
from erc_core.text.encoder import FrozenTextEncoder
from erc_core.text.tokens import tokenize

FEW = 8  # utterances; for so few, starting threads costs more than it brings


@dataclass(frozen=True)
class UtteranceFeatures:
    """What the model reads of one utterance."""

    text: NDArray[np.float16]  # (T, E) the frozen encoder's token-level output
    mel: NDArray[np.float16]  # (frames, M) log-mel; no frames where there is no usable speech


@dataclass(frozen=True)
class UtteranceProcessor:
    """Makes features in memory, by the same code and parameters as the cached ones."""

    audio: AudioParams
    mel: MelParams
    max_tokens: int
    tokenizer: Tokenizer
    encoder: FrozenTextEncoder

    @cached_property
    def log_mel(self) -> LogMel:
        """The spectrogram of a sound at the cached rate."""
        return LogMel(self.mel, self.audio.sample_rate)

    def __call__(
        self, texts: Sequence[str], speech: Sequence[NDArray[np.int16]], batch_size: int
    ) -> list[UtteranceFeatures]:
        """Return the features of some utterances: their texts, and their samples (n,) as audio.h5 holds them."""
        ids = [tokens.ids for tokens in tokenize(self.tokenizer, texts, self.max_tokens)]
        encoded = self.encoder(ids, batch_size)
        if len(speech) <= FEW:
            mels = [self._mel(samples) for samples in speech]
        else:
            with ThreadPoolExecutor(
                len(os.sched_getaffinity(0)), initializer=torch.set_num_threads, initargs=(1,)
            ) as executor:
                mels = list(executor.map(self._mel, speech))
        return [UtteranceFeatures(text, mel) for text, mel in zip(encoded, mels, strict=True)]

    def _mel(self, samples: NDArray[np.int16]) -> NDArray[np.float16]:
        return self.log_mel(to_float(samples))


def batch_of(features: Sequence[UtteranceFeatures], places: NDArray[np.int64]) -> Batch:
    """Return the batch of the utterances at some places, without labels, on the CPU."""
    text, tokens = _padded([features[place].text for place in places])
    mel, frames = _padded([features[place].mel for place in places])
    index = torch.from_numpy(places)
    return Batch(text, tokens, mel, frames, labels_B=torch.empty(0, dtype=torch.int64), index_B=index)


def _padded(frames: Sequence[NDArray[Any]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (B, longest, D) float32, zeros behind the shorter ones, and their lengths."""
    lengths = [len(one) for one in frames]
    padded = np.zeros((len(frames), max(1, *lengths), frames[0].shape[1]), np.float32)
    for row, one in enumerate(frames):
        padded[row, : len(one)] = one
    return torch.from_numpy(padded), torch.tensor(lengths)
