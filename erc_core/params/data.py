"""Sections about where utterances and features come from: demo, ingest, audio, mel, text."""

import difflib
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from erc_core.params.section import Count, Name, Section


class SplitSizes(Section):
    """Number of dialogues in each split."""

    train: Count
    dev: Count
    test: Count


class DemoParams(Section):
    """The embedded corpus that eSpeak NG speaks."""

    seed: int = Field(ge=0, lt=2**32)
    dialogues: SplitSizes
    min_turns: int = Field(ge=1, le=1000)
    max_turns: int = Field(ge=1, le=1000)
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


class MeldIngest(Section):
    """MELD's annotation CSVs and folders, or archives, of clips. None, here and below: as erc_core.corpora has it."""

    format: Literal["meld"]
    raw_dir: str | None = None
    prefer_test_twins: bool | None = None
    max_unpacked_gb: float | None = Field(default=None, gt=0, le=1_000_000)


class IemocapIngest(Section):
    """IEMOCAP_full_release as shipped."""

    format: Literal["iemocap"]
    raw_dir: str | None = None
    classes: Literal[4, 6] | None = None
    fold: int | None = Field(default=None, ge=1, le=5)
    seed: int | None = Field(default=None, ge=0, lt=2**32)
    dev_share: float | None = Field(default=None, gt=0, lt=0.5)


TABLE_COLUMNS = ("utterance_id", "text", "audio", "emotion", "split", "dialogue_id", "turn", "speaker")


class TableIngest(Section):
    """A user's own corpus: one CSV, TSV or Parquet file, and perhaps clips beside it."""

    format: Literal["table"]
    raw_dir: str | None = None
    file: Name
    columns: dict[str, str] = Field(default_factory=dict)
    split_by: Literal["dialogue", "speaker"] | None = None
    dev_share: float | None = Field(default=None, gt=0, lt=0.5)
    test_share: float | None = Field(default=None, gt=0, lt=0.8)
    seed: int | None = Field(default=None, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _columns_and_shares(self) -> "TableIngest":
        for name in self.columns:
            if name not in TABLE_COLUMNS:
                near = difflib.get_close_matches(name, TABLE_COLUMNS, n=1, cutoff=0.0)[0]
                raise ValueError(
                    f"columns.{name}: unknown name; the nearest is {near!r} (allowed: {', '.join(TABLE_COLUMNS)})"
                )
        if self.dev_share is not None and self.test_share is not None and self.dev_share + self.test_share >= 1:
            raise ValueError(
                f"test_share = {self.test_share:g}: allowed is less than 1 together with dev_share ({self.dev_share:g}), as the rest is for training"
            )
        return self


IngestParams = Annotated[MeldIngest | IemocapIngest | TableIngest, Field(discriminator="format")]


class AudioParams(Section):
    """Decoding, down-mix, resampling, and the rules for clips that are not ordinary speech."""

    sample_rate: int = Field(ge=4000, le=96000)
    downmix: Literal["center", "mean", "first"]
    min_seconds: float = Field(gt=0, le=600)
    max_seconds: float = Field(gt=0, le=600)
    silence_dbfs: float = Field(ge=-200, le=0)

    @model_validator(mode="after")
    def _lengths_in_order(self) -> "AudioParams":
        if self.max_seconds <= self.min_seconds:
            raise ValueError(
                f"audio.max_seconds = {self.max_seconds:g}: allowed is more than audio.min_seconds ({self.min_seconds:g})"
            )
        return self


class MelParams(Section):
    """The log-mel spectrogram."""

    n_mels: int = Field(ge=1, le=512)
    n_fft: int = Field(ge=16, le=32_768)
    window_ms: float = Field(gt=0, le=1000)
    hop_ms: float = Field(ge=1, le=1000)
    f_min: float = Field(ge=0, le=48_000)
    f_max: float = Field(gt=0, le=48_000)
    floor: float = Field(ge=1e-30, le=1)  # below, single precision makes it 0, and its logarithm is no number


class TextParams(Section):
    """Tokenization and the frozen text encoder's run over the corpus."""

    speed_only: ClassVar = ("batch_size",)

    max_tokens: int = Field(ge=3, le=512)
    batch_size: Count
