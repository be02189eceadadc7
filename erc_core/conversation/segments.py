"""A conversation as a table: what of it is text, speech, speaker and time, and what its times are worth."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from erc_core.corpora.text_repair import mend
from erc_core.errors import ErcError
from erc_core.speech.decoding.sound import Sound
from erc_core.speech.samples import to_float
from erc_core.store.clips import ClipStatus

COLUMNS = {
    "text": pl.String(),
    "audio": pl.String(),
    "speaker": pl.String(),
    "start": pl.Float64(),
    "end": pl.Float64(),
}
RATES = ("sample_rate", "sampling_rate")  # keys of an utterance that say its samples' rate, Hz
OVERLAP = 0.05  # s; the times that tools give to words are no more exact


class SegmentStatus(StrEnum):
    """What can be wrong with an utterance beside its clip; see ClipStatus."""

    OVERLAPPING = "overlapping"
    BACKWARDS = "backwards"
    OUTSIDE = "outside"
    NO_TEXT = "no_text"  # of a model that reads text alone


Status = ClipStatus | SegmentStatus
STATUSES = (*(status.value for status in ClipStatus), *(status.value for status in SegmentStatus))


@dataclass(frozen=True)
class Conversation:
    """Utterances of one or more conversations, in the order in which they came.

    N utterances. Of COLUMNS the table may lack any; others are handed through.
    """

    table: pl.DataFrame  # (N rows) as it came
    beside: Path = Path()  # what relative paths of audio are relative to
    sounds: Mapping[int, Sound] | None = None  # samples that came in place of files, by row
    columns: Mapping[str, str] | None = None  # COLUMNS -> the table's, of those that it has; None: by their own names
    first_row: int = 0  # number of the first row, in messages
    source: str = ""  # what messages begin with, such as the name of a file

    @classmethod
    def of(cls, utterances: Any) -> "Conversation":
        """Return what a caller means: a table of polars or pandas, or a list of utterances.

        An utterance is a text, or a mapping with any of text, audio, speaker, start, end and others. Its audio is a path,
        samples (n,) or (n, channels) with `sample_rate` beside them, or a mapping of `array` and `sampling_rate`. Samples
        have no place in a table: their rows have no audio there.

        Raises:
            TypeError: It is none of these.
            ErcError: A column has the wrong type, or samples have no rate.
        """
        if isinstance(utterances, Conversation):
            return utterances
        if isinstance(utterances, pl.DataFrame):
            return cls(utterances)
        if type(utterances).__module__.split(".")[0] == "pandas":
            columns = {str(name): [_not_nan(v) for v in column.tolist()] for name, column in utterances.items()}
            return cls(pl.DataFrame(columns, strict=False))
        if isinstance(utterances, str | bytes | Mapping) or not isinstance(utterances, Sequence):
            raise TypeError(
                f"a conversation is a list of utterances, or a table of polars or pandas, not {type(utterances).__name__}"
            )
        rows, sounds = [], {}
        for number, utterance in enumerate(utterances):
            row = {"text": utterance} if isinstance(utterance, str) else dict(utterance)
            if (audio := row.get("audio")) is not None and not isinstance(audio, str | Path):
                sounds[number] = _sound(audio, row, f"utterance {number}")
                row["audio"] = None
            rows.append(row | ({"audio": str(audio)} if isinstance(audio, Path) else {}))
        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = {name: [row.get(name) for row in rows] for name in names}
        try:
            types = {name: COLUMNS[name] for name in names if name in COLUMNS}
            return cls(pl.DataFrame(columns, schema_overrides=types, strict=False), sounds=sounds)
        except (pl.exceptions.PolarsError, TypeError) as error:
            raise ErcError(f"the conversation is no table: {' '.join(str(error).split())[:200]}") from None

    def __len__(self) -> int:
        return self.table.height

    @cached_property
    def text(self) -> list[str]:
        """What the model reads of each utterance: mended as the text of a corpus is; empty where there is none."""
        return [mend(text or "", strip=True).text for text in self._column("text")]

    @cached_property
    def audio(self) -> list[Path | Sound | None]:
        """Where the speech of each utterance is."""
        paths = self._column("audio")
        given: list[Path | Sound | None] = [self.beside / path if path else None for path in paths]
        for row, sound in (self.sounds or {}).items():
            given[row] = sound
        return given

    @cached_property
    def start(self) -> NDArray[np.float64]:
        """(N,) s; NaN where there is none."""
        return self._times("start")

    @cached_property
    def end(self) -> NDArray[np.float64]:
        """(N,) s; NaN where there is none."""
        return self._times("end")

    @cached_property
    def is_timed(self) -> NDArray[np.bool_]:
        """(N,) whether the utterance is a stretch of a recording, by its start or its end."""
        return np.isfinite(self.start) | np.isfinite(self.end)

    @cached_property
    def speaker(self) -> list[str | None]:
        """Who speaks each utterance; None where nobody knows."""
        return [speaker or None for speaker in self._column("speaker")]

    @cached_property
    def dialogue(self) -> list[str] | None:
        """Which dialogue each utterance is of; None where the table does not say."""
        if "dialogue_id" not in self.table.columns or self.table["dialogue_id"].dtype.is_nested():
            return None
        return self.table["dialogue_id"].cast(pl.String).fill_null("").to_list()

    def with_paths(self, answered: pl.DataFrame) -> pl.DataFrame:
        """Return a table with this one's columns, its paths of audio such that they can be opened from here."""
        column = self._name("audio")
        if column not in self.table.columns:
            return answered
        paths = [str(audio) if isinstance(audio, Path) else None for audio in self.audio]
        return answered.with_columns(pl.Series(column, paths, pl.String()))

    def _name(self, ours: str) -> str:
        return ours if self.columns is None else self.columns.get(ours, "")

    def _times(self, name: str) -> NDArray[np.float64]:
        return self._column(name).fill_null(np.nan).to_numpy().copy()

    def _column(self, name: str) -> pl.Series:
        theirs = self._name(name)
        if theirs not in self.table.columns:
            return pl.Series(name, [None] * self.table.height, COLUMNS[name])
        column = self.table[theirs]
        is_number = COLUMNS[name] == pl.Float64()
        if column.dtype.is_nested() or (
            is_number and not (column.dtype.is_numeric() or column.dtype in (pl.String, pl.Null))
        ):
            wanted = "numbers of seconds" if is_number else "texts"
            raise ErcError(f"{self.source}column {theirs}: its type is {column.dtype}; {wanted} are read there")
        try:
            return column.cast(COLUMNS[name])
        except pl.exceptions.PolarsError:
            row, value = next((row, value) for row, value in enumerate(column) if not _fits(value, COLUMNS[name]))
            kind = "a number of seconds" if is_number else "a text"
            raise ErcError(
                f"{self.source}row {row + self.first_row}, column {theirs}: {value!r} is not {kind}"
            ) from None

    @cached_property
    def overlapping(self) -> NDArray[np.bool_]:
        """(N,) whether another utterance of the same recording goes on at the same time, for more than OVERLAP seconds."""
        found = np.zeros(len(self), np.bool_)
        paths = self.audio
        by_recording: dict[str, list[int]] = {}
        for row in np.flatnonzero(np.isfinite(self.start) & (self.end > self.start)):
            path = paths[row]
            if isinstance(path, Path):
                by_recording.setdefault(place_of(path), []).append(int(row))
        for rows in by_recording.values():
            order = np.array(rows)[np.argsort(self.start[rows], kind="stable")]
            start, end = self.start[order], self.end[order]
            ends_before = np.concatenate([[-np.inf], np.maximum.accumulate(end)[:-1]])
            starts_after = np.concatenate([start[1:], [np.inf]])
            found[order] = (ends_before > start + OVERLAP) | (starts_after < end - OVERLAP)
        return found

    def order_of_work(self) -> NDArray[np.int64]:
        """Return the rows in an order in which every recording is read once, from its beginning to its end."""
        numbers: dict[str, int] = {}
        recording = [
            numbers.setdefault(place_of(path), len(numbers) + 1) if timed and isinstance(path, Path) else 0
            for path, timed in zip(self.audio, self.is_timed, strict=True)
        ]
        begin = np.where(np.isfinite(self.start) & (np.array(recording) > 0), self.start, 0.0)
        order: NDArray[np.int64] = np.lexsort([begin, np.array(recording, np.float64)])
        return order


@lru_cache(maxsize=2**16)
def place_of(path: Path) -> str:
    """Return the file itself, however it is spelled."""
    try:
        return os.path.realpath(path)
    except ValueError:  # a zero byte, which no file's name has
        return str(path)


def _sound(audio: Any, row: Mapping[str, Any], where: str) -> Sound:
    rate = next((row[name] for name in RATES if row.get(name)), None)
    if isinstance(audio, Mapping):
        audio, rate = audio.get("array"), audio.get("sampling_rate", rate)
    samples = np.asarray(audio)
    if samples.ndim not in (1, 2) or not (np.issubdtype(samples.dtype, np.floating) or samples.dtype == np.int16):
        raise ErcError(
            f"{where}: audio is a path, or samples as float (full scale 1) or 16-bit integers, (n,) or (n, channels)"
        )
    if not isinstance(rate, int | float | np.number) or not 1 <= rate <= 2**31 or rate != int(rate):
        raise ErcError(f"{where}: samples need their rate, a whole number of Hz: say sample_rate=16000, for example")
    samples = to_float(samples) if samples.dtype == np.int16 else samples.astype(np.float32)
    return Sound(samples[:, None] if samples.ndim == 1 else samples, int(rate), len(samples) / rate)


def _not_nan(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


def _fits(value: Any, kind: pl.DataType) -> bool:
    try:
        pl.Series([value]).cast(kind)
    except pl.exceptions.PolarsError:
        return False
    return True
