"""Sections about where utterances and features come from: demo, ingest, audio, mel, text."""

from typing import Literal

from pydantic import Field, model_validator

from erc_core.params.section import Section


class SplitSizes(Section):
    """Number of dialogues in each split."""

    train: int = Field(ge=1)
    dev: int = Field(ge=1)
    test: int = Field(ge=1)


class DemoParams(Section):
    """The embedded corpus that eSpeak NG speaks."""

    seed: int = Field(ge=0)
    dialogues: SplitSizes
    min_turns: int = Field(ge=1)
    max_turns: int = Field(ge=1)
    speakers: int = Field(ge=2, le=8)
    persistence: float = Field(ge=0, lt=1)
    word_noise: float = Field(ge=0, le=1)
    prosody_noise: float = Field(ge=0, le=1)
    damaged_clips: bool

    @model_validator(mode="after")
    def _turns_in_order(self) -> "DemoParams":
        if self.max_turns < self.min_turns:
            raise ValueError(f"demo.max_turns = {self.max_turns}: allowed is demo.min_turns ({self.min_turns}) or more")
        return self


class IngestParams(Section):
    """How the raw files of one dataset are read."""

    format: Literal["meld"]


class AudioParams(Section):
    """Decoding, down-mix, resampling, and the rules for clips that are not ordinary speech."""

    sample_rate: int = Field(ge=4000, le=96000)
    downmix: Literal["center", "mean", "first"]
    min_seconds: float = Field(gt=0)
    max_seconds: float = Field(gt=0, le=600)
    silence_dbfs: float = Field(le=0)

    @model_validator(mode="after")
    def _lengths_in_order(self) -> "AudioParams":
        if self.max_seconds <= self.min_seconds:
            raise ValueError(
                f"audio.max_seconds = {self.max_seconds:g}: allowed is more than audio.min_seconds "
                f"({self.min_seconds:g})"
            )
        return self


class MelParams(Section):
    """The log-mel spectrogram."""

    n_mels: int = Field(ge=1, le=512)
    n_fft: int = Field(ge=16)
    window_ms: float = Field(gt=0)
    hop_ms: float = Field(gt=0)
    f_min: float = Field(ge=0)
    f_max: float = Field(gt=0)
    floor: float = Field(gt=0)


class TextParams(Section):
    """Tokenization and the frozen text encoder's run over the corpus."""

    max_tokens: int = Field(ge=3, le=512)
    batch_size: int = Field(ge=1)
