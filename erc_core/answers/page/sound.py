"""The sound of a page: links to files, or the files themselves as MP3 in the page."""

import base64
import io
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import av
import numpy as np
from numpy.typing import NDArray

from erc_core.answers.answered import Answered, Utterance
from erc_core.speech.decoding.files import open_stream

# what Chromium, Firefox and Safari play, by suffix; a video's sound as well
PLAYED = (".wav", ".mp3", ".ogg", ".oga", ".opus", ".flac", ".m4a", ".aac", ".mp4", ".m4v", ".mov", ".webm")
SILENT = ("missing", "undecodable", "empty")  # statuses of utterances of which there is nothing to hear
RATE, BITS = 24_000, 48_000  # Hz and bit/s of embedded MP3: an hour is 29 MB


@dataclass(frozen=True)
class Source:
    """One file that the page plays."""

    url: str  # relative and quoted, or data:
    name: str  # of the file
    is_played: bool  # whether browsers know its format


@dataclass(frozen=True)
class Sounds:
    """All that the page plays, each file once."""

    answered: Answered
    folder: Path  # of the page
    embed: bool

    @cached_property
    def _paths(self) -> list[Path]:
        if self.answered.recording is not None:
            return [self.answered.recording]
        rows = (one for one in self.answered.utterances if one.audio and one.status not in SILENT)
        return [Path(audio) for audio in dict.fromkeys(one.audio for one in rows) if audio]

    @cached_property
    def sources(self) -> list[Source]:
        """What is played; where it is embedded, files that cannot be read are no sources that are played."""
        return [_embedded(path) if self.embed else _linked(path, self.folder) for path in self._paths]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {str(path): place for place, path in enumerate(self._paths) if self.sources[place].is_played}

    def source_of(self, utterance: Utterance) -> int | None:
        """Return the place in `sources` of what is heard of an utterance; None where there is nothing to hear."""
        if self.answered.recording is not None:
            return self._places.get(str(self.answered.recording)) if utterance.has_times else None
        if utterance.audio is None or utterance.status in SILENT:
            return None
        return self._places.get(str(Path(utterance.audio)))


def _linked(path: Path, folder: Path) -> Source:
    url = quote(os.fsencode(Path(os.path.relpath(path, folder)).as_posix()))
    return Source(url, path.name, path.suffix.lower() in PLAYED)


def _embedded(path: Path) -> Source:
    try:
        sound = _mp3(path)
    except (OSError, ValueError, av.FFmpegError, IndexError):
        return Source("", path.name, is_played=False)
    return Source("data:audio/mpeg;base64," + base64.b64encode(sound).decode(), path.name, is_played=True)


def _mp3(path: Path) -> bytes:
    """Return a file's sound as MP3 of one channel and a constant bit rate, so that a player finds any moment exactly."""
    made = io.BytesIO()
    with open_stream(path, "mean") as source, av.open(made, "w", format="mp3") as target:
        encoder = target.add_stream("libmp3lame", rate=RATE, layout="mono")
        encoder.bit_rate = BITS
        resampler = av.AudioResampler(
            format=encoder.format, layout="mono", rate=RATE, frame_size=encoder.frame_size or 0
        )
        for block in _until_it_ends(source.blocks):
            frame = av.AudioFrame.from_ndarray(block[None], format="flt", layout="mono")
            frame.sample_rate = source.sample_rate
            for part in resampler.resample(frame):
                target.mux(encoder.encode(part))
        for part in resampler.resample(None):
            target.mux(encoder.encode(part))
        target.mux(encoder.encode(None))
    return made.getvalue()


def _until_it_ends(blocks: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Yield what can be decoded."""
    with suppress(av.FFmpegError, ValueError):
        yield from blocks
