"""The line that a feature stage ends with."""

import time
from typing import Self


class Stopwatch:
    """Wall time of a block, seconds."""

    def __enter__(self) -> Self:
        self._start = time.perf_counter()
        return self

    def __exit__(self, *exception: object) -> None:
        self.seconds = time.perf_counter() - self._start


def summary_line(stage: str, dataset: str, *, utterances: int, hours: float, seconds: float, notes: str) -> str:
    """Return what a feature stage did: utterances, hours of audio, seconds, times real time, and what failed."""
    speed = f", {hours * 3600 / seconds:,.0f} times real time" if hours and seconds else ""
    audio = f", {hours:.2f} hours of audio" if hours else ""
    return f"{stage} {dataset}: {utterances:,} utterances{audio}, {seconds:.1f} s{speed}; {notes}"
