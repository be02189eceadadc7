"""An answered conversation, as everything that is written about it reads it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from erc_core.corpora.text_repair import mend

LONGEST = 100 * 3600.0  # s; SRT has two digits for hours
COLUMNS = {
    "start": pl.Float64(),
    "end": pl.Float64(),
    "speaker": pl.String(),
    "text": pl.String(),
    "audio": pl.String(),
    "emotion": pl.String(),
    "confidence": pl.Float64(),
    "status": pl.String(),
    "detail": pl.String(),
}


@dataclass(frozen=True)
class Utterance:
    """One row of the answer. Texts are on one line, without control characters."""

    number: int  # from 1, in the order of the table
    start: float | None  # s, in the recording; None where unknown
    end: float | None
    speaker: str | None
    text: str | None
    audio: str | None  # path
    emotion: str | None  # None: there is no answer
    confidence: float | None
    probabilities: dict[str, float] | None  # of each label, in the model's order
    status: str
    detail: str  # the reason of the status in words, "" for an ordinary utterance
    is_uncertain: bool | None  # None: no minimum confidence was asked, or there is no answer

    @property
    def has_times(self) -> bool:
        """Whether its times are a stretch that a player can go to."""
        return self.start is not None and self.end is not None and 0 <= self.start < self.end < LONGEST


@dataclass(frozen=True)
class Answered:
    """A conversation with its answers, and where they came from."""

    # the columns that came in, `emotion`, `confidence`, `p_<label>`, `status`, `detail` (, `uncertain`)
    table: pl.DataFrame
    labels: list[str]  # of the model, in order of the p_ columns
    model: dict[str, Any]  # `name`, `fingerprint`, `modality`, `dataset`, and `synthetic` where that is known
    title: str  # of the conversation, for people
    recording: Path | None  # the one of which utterances are stretches; else each row has its `audio`, or none
    min_confidence: float | None  # what was asked for; answers below are uncertain
    # ours -> the table's, of those that it has under other names
    columns: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def utterances(self) -> list[Utterance]:
        """All rows, in their order."""
        table = self.table
        columns = {}
        for ours, kind in COLUMNS.items():
            theirs = self.columns.get(ours, ours)
            there = theirs in table.columns
            columns[ours] = table[theirs].cast(kind, strict=False).to_list() if there else [None] * table.height
        rows = table.select([f"p_{label}" for label in self.labels]).rows()
        return [
            self._utterance(number, dict(zip(columns, cells, strict=True)), probabilities)
            for number, (probabilities, *cells) in enumerate(zip(rows, *columns.values(), strict=True), start=1)
        ]

    def _utterance(self, number: int, cells: dict[str, Any], probabilities: tuple[float, ...]) -> Utterance:
        answered = cells["emotion"] is not None and cells["confidence"] is not None
        is_uncertain = (
            cells["confidence"] < self.min_confidence if answered and self.min_confidence is not None else None
        )
        return Utterance(
            number=number,
            start=_finite(cells["start"]),
            end=_finite(cells["end"]),
            speaker=_line(cells["speaker"]),
            text=_line(cells["text"]),
            audio=cells["audio"] or None,
            emotion=cells["emotion"] if answered else None,
            confidence=cells["confidence"] if answered else None,
            probabilities=dict(zip(self.labels, probabilities, strict=True)) if answered else None,
            status=cells["status"] or "ok",
            detail=_line(cells["detail"]) or "",
            is_uncertain=is_uncertain,
        )

    @cached_property
    def timed(self) -> list[Utterance]:
        """Those with times on one time line, by their start; none where they lie in several recordings."""
        timed = [utterance for utterance in self.utterances if utterance.has_times]
        if self.recording is None and len({utterance.audio for utterance in timed}) > 1:
            return []
        return sorted(timed, key=lambda utterance: (utterance.start, utterance.number))


def percent(probability: float) -> str:
    """Return a probability in whole percent. No model is certain: the most is 99%."""
    return f"{min(99, round(100 * probability))}%"


def _finite(seconds: float | None) -> float | None:
    return seconds if seconds is not None and math.isfinite(seconds) else None


def _line(text: str | None) -> str | None:
    return (mend(text, strip=True).text or None) if text else None
