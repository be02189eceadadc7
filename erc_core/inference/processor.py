"""From raw text and audio to what the model reads, utterance by utterance; the feature stages run its pieces over a corpus."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from erc_core.params.data import AudioParams, MelParams, TextParams
from erc_core.speech.audio import load_clip, prepare_clip
from erc_core.speech.decoding.sound import Sound
from erc_core.speech.mel import LogMel
from erc_core.speech.samples import to_float
from erc_core.store.clips import ClipStatus
from erc_core.text.encoder import FrozenTextEncoder
from erc_core.text.tokens import tokenize


@dataclass(frozen=True)
class UtteranceFeatures:
    """What the model reads of one utterance."""

    text: NDArray[np.float16]  # (T, D) float16, the frozen encoder's token-level output
    mel: NDArray[np.float16]  # (frames, n_mels) float16 log-mel; no frames where there is no usable speech
    status: ClipStatus  # what became of the clip
    detail: str  # the reason in words, where the clip is not ordinary


@dataclass(frozen=True)
class UtteranceProcessor:
    """Makes the features of single utterances in memory, by the same code and parameters as the cached ones."""

    audio: AudioParams
    mel: MelParams
    text: TextParams
    tokenizer: Tokenizer
    encoder: FrozenTextEncoder

    @cached_property
    def log_mel(self) -> LogMel:
        """The spectrogram of a sound at the cached rate."""
        return LogMel(self.mel, self.audio.sample_rate)

    def __call__(self, text: str, speech: Path | Sound | None) -> UtteranceFeatures:
        """Return the features of one utterance; its speech is a file, decoded samples, or None."""
        clip = prepare_clip(speech, self.audio) if isinstance(speech, Sound) else load_clip(speech, self.audio)
        tokens = tokenize(self.tokenizer, [text], self.text.max_tokens)
        encoded = self.encoder([tokens[0].ids], batch_size=1)
        return UtteranceFeatures(encoded[0], self.log_mel(to_float(clip.samples)), clip.status, clip.detail)
