"""The cached features of a corpus as batches: in memory, or read from HDF5 batch by batch."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import psutil
import torch
from numpy.typing import NDArray

from erc_core.errors import ErcError, damaged
from erc_core.models.batch import Batch
from erc_core.store.ragged import RaggedReader
from erc_core.store.utterances import SPLITS, read_utterances


class Modality:
    """One feature file, whole in memory or lazy."""

    def __init__(self, path: Path, ids: list[str], *, in_memory: bool) -> None:
        self.reader = RaggedReader(path)
        self.reader.require_ids(ids, str(path.parent / "utterances.parquet"))
        self.reader.require_frames(np.float16, 1)
        self.lengths = self.reader.lengths
        self.width = self.reader.width
        self.frames: NDArray[Any] | None = None
        if in_memory:
            # memory from torch: numpy asks for huge pages, whose first touch can cost four times as much
            self.frames = torch.empty(
                (self.reader.frame_count + 1, self.width), dtype=torch.from_numpy(np.empty(0, self.reader.dtype)).dtype
            ).numpy()
            self.reader.read_into(self.frames[:-1])
            self.frames[-1] = 0

    def batch(self, indices: NDArray[np.int64]) -> torch.Tensor:
        """Return (B, longest, D) float32, zeros behind the shorter ones.

        Raises:
            ErcError: A value is not finite; names the utterance.
        """
        padded = self.padded(indices).float()
        # what is not finite stays so in a sum, and half precision cannot sum up to infinity: no comparison of each value
        if not padded.sum().isfinite():
            broken = indices[int(torch.nonzero(~padded.isfinite())[0, 0])]
            raise self.not_finite(int(broken))
        return padded

    def not_finite(self, index: int) -> ErcError:
        """Return the error of an utterance with a value that is no number."""
        return damaged(self.reader.path, f"{self.reader.ids[index]} has values that are not finite")

    def padded(self, indices: NDArray[np.int64]) -> torch.Tensor:
        """Return (B, longest, D) float16, zeros behind the shorter ones, as they are in the file."""
        lengths = self.lengths[indices]
        longest = max(1, int(lengths.max(initial=0)))
        if self.frames is not None:
            # gathered at once: the row of zeros behind the last frame stands for all padding
            steps = np.arange(longest)
            places = self.reader.offsets[indices][:, None] + steps
            places[steps >= lengths[:, None]] = len(self.frames) - 1
            return torch.from_numpy(self.frames.take(places, axis=0))
        padded = np.zeros((len(indices), longest, self.width), self.reader.dtype)
        for row, index in enumerate(indices):
            padded[row, : lengths[row]] = self.frames_of(int(index))
        return torch.from_numpy(padded)

    def frames_of(self, index: int) -> NDArray[Any]:
        """Return one utterance's frames, (length, D) float16."""
        if self.frames is None:
            frames: NDArray[Any] = self.reader[index]
            return frames
        start = self.reader.offsets[index]
        return self.frames[start : start + self.lengths[index]]


class FeatureSet:
    """All splits of a corpus, ready to be batched. Use as a context manager: it keeps the feature files open."""

    def __init__(
        self,
        folder: Path,
        labels: Sequence[str],
        *,
        how: str,
        memory_share: float = 0.5,
        copies: int = 1,
        everywhere: Callable[[bool], bool] = bool,
    ) -> None:
        """Open the features of a corpus.

        Args:
            folder: data/<dataset>, with utterances.parquet, text.h5 and mel.h5.
            labels: Emotion names in the order of the logits.
            how: "memory", "lazy", or "auto" for memory while the features fit.
            memory_share: The share of free memory that they may take under "auto".
            copies: Processes on this machine that each hold the features, and share that memory.
            everywhere: Whether something holds on every process that trains with this one: under "auto" all of them decide
                alike, before any of them fills memory.

        Raises:
            ErcError: A file is missing, damaged or of other utterances, or an emotion is not among the labels.
        """
        self.utterances = read_utterances(folder)
        unknown = sorted(set(self.utterances["emotion"]) - set(labels))
        if unknown:
            raise ErcError(
                f"{folder / 'utterances.parquet'}: emotions {unknown} are not among the labels {list(labels)}"
            )
        ids = self.utterances["utterance_id"].to_list()
        paths = folder / "text.h5", folder / "mel.h5"
        self.files = [folder / "utterances.parquet", *paths]
        needed = 0
        for path in paths:
            with RaggedReader(path) as reader:
                needed += reader.nbytes
        free = psutil.virtual_memory().available
        self.in_memory = how == "memory" or (how == "auto" and everywhere(copies * needed <= memory_share * free))
        self.choice = (
            f"features {'in memory' if self.in_memory else 'read lazily'} "
            f"({f'{copies} x ' if copies > 1 else ''}{needed / 2**20:,.0f} MiB, {free / 2**20:,.0f} MiB free)"
        )
        self.text, self.mel = (Modality(path, ids, in_memory=self.in_memory) for path in paths)
        position = {label: index for index, label in enumerate(labels)}
        self.labels = np.array([position[emotion] for emotion in self.utterances["emotion"]], np.int64)

    @property
    def has_speech(self) -> bool:
        """Whether a training utterance has a usable clip."""
        return bool(self.mel.lengths[self.split("train")].any())

    @property
    def has_text(self) -> bool:
        """Whether a training utterance has words."""
        return bool((self.utterances[self.split("train")]["text"].fill_null("").str.strip_chars() != "").any())

    def lacking(self, modality: str) -> str | None:
        """Return in words what a model of this modality would learn nothing of; None if the corpus has all that it reads."""
        if "A" in modality and not self.has_speech:
            return "speech: no training utterance has a usable clip"
        if "T" in modality and not self.has_text:
            return "text: no training utterance has any"
        return None

    @property
    def mel_statistics(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The train split's mean and standard deviation per mel bin, (M,) each."""
        attributes = self.mel.reader.attributes
        mean, std = (np.asarray(attributes.get(name, 0.0), np.float32) for name in ("mean", "std"))
        if {mean.shape, std.shape} != {(self.mel.width,)} or not (np.isfinite(mean) & np.isfinite(std)).all():
            raise damaged(self.mel.reader.path, f"lacks a finite mean and std of its {self.mel.width} bins")
        return torch.from_numpy(mean), torch.from_numpy(std)

    def require_params(self, sections: Mapping[str, Mapping[str, Any]], source: str = "params.yaml") -> None:
        """Refuse features made with other parameters: of sections audio, mel, text and text_encoder.

        Raises:
            ErcError: Names the first that differs, with both values.
        """
        for modality, names in ((self.mel, ("audio", "mel")), (self.text, ("text", "text_encoder"))):
            modality.reader.require_params({name: sections[name] for name in names}, source)

    def require_widths(self, text: int | None, mel: int, source: str) -> None:
        """Refuse frames of another width than a model reads, or parameters say; None: nothing says it.

        Raises:
            ErcError: Names the file, and both widths.
        """
        for modality, width in ((self.text, text), (self.mel, mel)):
            if width not in (None, modality.width):
                raise damaged(
                    modality.reader.path, f"holds frames of width {modality.width}, but {source} says {width}"
                )

    def split(self, name: str) -> NDArray[np.int64]:
        """Return the places of a split's utterances."""
        if name not in SPLITS:
            raise ValueError(name)
        return np.flatnonzero(self.utterances["split"].cast(pl.String).to_numpy() == name).astype(np.int64)

    def batch(self, indices: NDArray[np.int64]) -> Batch:
        """Return the batch of some utterances, on the CPU, features in float32.

        Raises:
            ErcError: A feature is damaged or not finite.
        """
        return Batch(
            text_BTE=self.text.batch(indices),
            tokens_B=torch.from_numpy(self.text.lengths[indices]),
            mel_BFM=self.mel.batch(indices),
            frames_B=torch.from_numpy(self.mel.lengths[indices]),
            labels_B=torch.from_numpy(self.labels[indices]),
            index_B=torch.from_numpy(indices),
        )

    def close(self) -> None:
        """Close the feature files."""
        self.text.reader.close()
        self.mel.reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
