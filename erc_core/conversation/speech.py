"""The speech of a conversation's utterances, one after another: files of their own, samples, or stretches of recordings."""

import math
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from erc_core.conversation.segments import Conversation, SegmentStatus, Status, place_of
from erc_core.params.data import AudioParams
from erc_core.speech.audio import Clip, load_clip, prepare_clip, without_audio, words_of
from erc_core.speech.decoding.files import open_stream
from erc_core.speech.decoding.sound import Sound
from erc_core.store.clips import ClipStatus

LONGEST = 1e9  # s, 30 years: later is no time in a recording
SLACK = 0.5  # s; a transcript may end so much after its recording, as tools round


class Recording:
    """A recording that is read once from its beginning to its end; no more of it is in memory than was asked for."""

    def __init__(self, path: Path, downmix: str) -> None:
        """Open it.

        Raises:
            Exception: Whatever a decoder says about a file that it cannot read.
        """
        self._stack = ExitStack()
        self._stream = self._stack.enter_context(open_stream(path, downmix))
        self.sample_rate = self._stream.sample_rate
        self.error: Exception | None = None  # what the decoder said where it could go no further
        self.ended = False
        self._held: list[NDArray[np.float32]] = []
        self._first = self._next = 0  # sample that is held first, sample that comes next

    def read(self, start: float, stop: float) -> NDArray[np.float32]:
        """Return the samples from start to stop (s), as far as there are any. Start never goes back from call to call."""
        first, last = (max(0, round(seconds * self.sample_rate)) for seconds in (start, stop))
        while self._next < last and not self.ended:
            self._drop(first)
            try:
                block = next(self._stream.blocks, None)
            except Exception as error:  # decoders raise anything
                block, self.error = None, error
            if block is None:
                self.ended = True
            else:
                self._held.append(block)
                self._next += len(block)
        self._drop(first)
        if len(self._held) > 1:
            joined = np.concatenate(self._held)[max(0, first - self._first) :]
            self._first, self._held = self._next - len(joined), [joined]
        held = self._held[0] if self._held else np.zeros(0, np.float32)
        return held[max(0, first - self._first) : max(0, last - self._first)]

    @property
    def seconds(self) -> float:
        """How long it is, s; known where it has ended."""
        return self._next / self.sample_rate

    def damaged(self, start: float, end: float) -> str:
        """Return in words what of a stretch that was read (s) could not be decoded; empty where all could."""
        parts = [
            (max(start, first), min(end, last)) for first, last in self._stream.damage if first <= end and last >= start
        ]
        return f"{sum(last - first for first, last in parts):.2f} s of it cannot be decoded" if parts else ""

    def _drop(self, first: int) -> None:
        while self._held and self._first + len(self._held[0]) <= first:
            self._first += len(self._held.pop(0))

    def close(self) -> None:
        """Close the file."""
        self._stack.close()


class SpeechReader:
    """Gives the speech of rows in the order of Conversation.order_of_work. Use as a context manager."""

    def __init__(self, conversation: Conversation, params: AudioParams) -> None:
        self.conversation, self.params = conversation, params
        self._place = ""  # of the recording that is open
        self._recording: Recording | Clip | None = None  # a clip tells why there is none

    def clip(self, row: int) -> tuple[Clip, Status]:
        """Return the speech of a row, empty where there is none, and the status of the row; its reason is the clip's."""
        audio = self.conversation.audio[row]
        if audio is None:
            clip = without_audio(ClipStatus.MISSING, "no audio was given")
        elif isinstance(audio, Sound):
            clip = prepare_clip(audio, self.params)
        elif self.conversation.is_timed[row]:
            return self._stretch(audio, row)
        else:
            clip = load_clip(audio, self.params, missing="no such file")
        return clip, clip.status

    def _stretch(self, path: Path, row: int) -> tuple[Clip, Status]:
        start, end = float(self.conversation.start[row]), float(self.conversation.end[row])
        start, end = (start if math.isfinite(start) else 0.0), (end if math.isfinite(end) else math.inf)
        start, end = max(-LONGEST, min(start, LONGEST)), end if math.isinf(end) else max(-LONGEST, min(end, LONGEST))
        if end < start:
            return _refused(SegmentStatus.BACKWARDS, f"ends at {end:g} s, before it begins at {start:g} s")
        if end <= 0 and start < 0:
            return _refused(SegmentStatus.OUTSIDE, "lies before the beginning of the recording")
        recording = self._open(path)
        if isinstance(recording, Clip):
            return recording, recording.status
        # a little more than max_seconds is enough to know that it is longer
        samples = recording.read(start, min(end, max(0.0, start) + self.params.max_seconds + 1.0))
        seconds = len(samples) / recording.sample_rate
        if not seconds and recording.ended and recording.error:
            clip = without_audio(ClipStatus.UNDECODABLE, words_of(recording.error))
        elif not seconds and recording.ended and start > 0:
            detail = f"begins at {start:g} s; the recording is {recording.seconds:.2f} s long"
            return _refused(SegmentStatus.OUTSIDE, detail)
        elif not seconds:
            clip = without_audio(ClipStatus.TOO_SHORT, f"{end - start:.3f} s long")
        else:
            status, lacking = ClipStatus.OK, ""
            if damaged := recording.damaged(start, end):
                status, lacking = ClipStatus.DAMAGED, damaged
            elif lacking := _lacking(start, end, recording):
                status = ClipStatus.CUT_OFF
            if math.isfinite(end) and not recording.ended:
                seconds = max(seconds, end - max(0.0, start))
            clip = prepare_clip(Sound(samples[:, None], recording.sample_rate, seconds, status, lacking), self.params)
            if damaged and clip.status is ClipStatus.SILENT:
                clip = without_audio(ClipStatus.UNDECODABLE, damaged, clip.seconds)
        if clip.status is ClipStatus.OK and self.conversation.overlapping[row]:
            return clip, SegmentStatus.OVERLAPPING
        return clip, clip.status

    def _open(self, path: Path) -> Recording | Clip:
        place = place_of(path)
        if place != self._place or self._recording is None:
            self.close()
            self._place = place
            try:
                if path.stat().st_size:
                    self._recording = Recording(path, self.params.downmix)
                else:
                    self._recording = without_audio(ClipStatus.EMPTY, "the file has no bytes")
            except FileNotFoundError:
                self._recording = without_audio(ClipStatus.MISSING, "no such recording")
            except Exception as error:  # a damaged file makes decoders raise anything
                self._recording = without_audio(ClipStatus.UNDECODABLE, words_of(error))
        return self._recording

    def close(self) -> None:
        """Close what is open."""
        if isinstance(self._recording, Recording):
            self._recording.close()
        self._place, self._recording = "", None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _lacking(start: float, end: float, recording: Recording) -> str:
    """Return in words what of a stretch is not in the recording; empty where next to nothing is."""
    if start < -SLACK:
        return f"begins at {start:g} s, before the recording"
    if recording.ended and recording.error:
        return f"the recording ends within it: {words_of(recording.error)}"
    if recording.ended and math.isfinite(end) and end > recording.seconds + SLACK:
        return f"ends at {end:g} s; the recording is {recording.seconds:.2f} s long"
    return ""


def _refused(status: SegmentStatus, detail: str) -> tuple[Clip, Status]:
    return without_audio(ClipStatus.MISSING, detail), status
