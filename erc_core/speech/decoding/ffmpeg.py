"""Whatever FFmpeg decodes, and only that: the file itself, never what it names, and past what is damaged in it.

PyAV reads beyond the planes of a planar frame of eight channels or more, and frees a channel layout that lists its channels
twice. Either can end the process, so such frames are packed first, and such layouts are not decoded here.
"""

import ctypes
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from erc_core.speech.decoding.ends import cut_off, states_length
from erc_core.speech.decoding.gaps import GAP_SECONDS, Gaps
from erc_core.speech.decoding.sound import Sound, SoundStream, center_of, downmix, join
from erc_core.store.clips import ClipStatus

# No playlist (HLS, DASH, concat), no session (SDP, RTSP), no list of pictures: what these name would be opened too
FORMATS = (
    "aac,ac3,ac4,aiff,amr,ape,asf,au,avi,caf,dsf,dts,dtshd,dv,eac3,flac,flv,iff,ircam,loas,m4v,matroska,mlp,mov,mp3,mpc,mpc8,"
    "mpeg,mpegts,mxf,nistsphere,nut,ogg,oma,qcp,rm,shn,sox,tak,truehd,tta,voc,w64,wav,wtv,wv"
)
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
# Of these the length is a guess from the bit rate, of an mp3 if it has no tag that tells
GUESSED = {"aac", "ac3", "ac4", "amr", "dts", "dtshd", "eac3", "loas", "mlp", "mpeg", "mpegts", "truehd"}
PLANES = 8  # from here on PyAV cannot read planar frames
BLOCK_VALUES = 2**20  # samples of all channels that are held at a time
END_SECONDS = 0.25  # a stream may end so much sooner than stated: delays and padding of encoders
COUNTED = (GUESSED | {"mp3"}) - {"mpeg", "mpegts"}  # without time stamps of their own


def open_container(path: Path) -> Any:
    """Open a file with FFmpeg.

    Raises:
        ValueError: Its content is none of FORMATS.
        FFmpegError: It cannot be read.
    """
    try:
        return av.open(f"file:{path}", metadata_errors="replace", options=OPTIONS)
    except av.error.ArgumentError:
        raise ValueError("no audio or video: a playlist, a script or another format that is not read") from None


def channel_names(stream: Any) -> tuple[str, ...]:
    """Return FFmpeg's names of a stream's channels, "NONE" where it has no layout.

    Raises:
        ValueError: The layout is a list of its own, so that frames of it cannot be decoded here; the second argument has it.
    """
    layout = stream.layout
    names = tuple(channel.name for channel in layout.channels)
    if " channels (" in layout.name:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))  # never collected, so that its list is freed only once
        raise ValueError(f"its channels have an order of their own: {'+'.join(names)}", names)
    return names


def decode(path: Path, max_seconds: float, how: str) -> Sound:
    """Decode the first audio stream, a little over max_seconds of it, to one channel; its pictures are not looked at.

    What cannot be decoded is left out, and told by the status; more than half of it: raises what the decoder said.
    """
    with open_container(path) as container:
        stream = _audio_stream(container)
        kind = container.format.name
        stated = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
        if kind in GUESSED or (kind == "mp3" and not states_length(path)):
            stated = 0.0
        reading = _Reading(stream, max_seconds, how, stated)
        mono = join(list(reading.blocks(container)))
    if len(mono) == 0 and reading.error:
        raise reading.error
    seconds = reading.count / reading.rate
    if reading.stopped:
        return Sound(mono, reading.rate, max(seconds, stated))
    return Sound(mono, reading.rate, seconds, *reading.judge(stated, cut_off(path)))


@contextmanager
def open_stream(path: Path, how: str, gap: float = GAP_SECONDS) -> Iterator[SoundStream]:
    """Open the first audio stream to be decoded block by block; silence takes the place of what cannot be decoded.

    Where no packet fails, time stamps have to jump by more than gap (s) to be taken for damage.
    """
    with open_container(path) as container:
        reading = _Reading(_audio_stream(container), math.inf, how, 0.0)
        kind = container.format.name
        stated = 0.0 if kind in GUESSED or not container.duration else container.duration / av.time_base
        reading.gaps = Gaps(reading.rate, reading.tick, stated, kind in COUNTED, gap)
        yield SoundStream(reading.rate, reading.blocks(container), reading.gaps.found)


def _audio_stream(container: Any) -> Any:
    if not container.streams.audio:
        raise ValueError("no audio stream")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise ValueError("no decoder for its audio stream")
    return stream


class _Reading:
    """One way through a stream: its mono samples, and what was lost."""

    def __init__(self, stream: Any, max_seconds: float, how: str, stated: float) -> None:
        self.stream, self.how, self.stated = stream, how, stated
        self.tick = float(stream.time_base)  # s; kept, as a stream may not be asked after its container is closed
        names = channel_names(stream)
        self.channels, self.center = len(names), center_of(len(names), names)
        self.rate = int(stream.rate)
        self.most = max_seconds * self.rate
        self.resampler = av.AudioResampler(format="fltp" if self.channels < PLANES else "flt")
        self.fifo = av.AudioFifo()  # one array for many frames: an array for each costs half as much as decoding it
        self.gaps: Gaps | None = None  # where what lacks is to be silence
        self.count = 0  # samples of one channel, also those that are only counted
        self.silence = 0  # so many of them
        self.good = self.lost = self.lost_last = 0  # packets; lost_last: after the last good one
        self.skipped = 0.0  # s
        self.begin: int | None = None  # time stamps: of the first packet, and where the last one ends
        self.end = 0
        self.error: Exception | None = None
        self.stopped = False

    def blocks(self, container: Any) -> Iterator[NDArray[np.float32]]:
        """Yield the samples, (n,) in each block; at the end raise what the decoder said where too much was lost."""
        try:
            for packet in container.demux(self.stream):
                if self.count > self.most and self.stated:
                    self.stopped = True
                    break
                self._time(packet)
                yield from self._decode(packet)
                if self.fifo.samples * self.channels >= BLOCK_VALUES:
                    yield from self._take()
        except av.error.FFmpegError as error:  # of the container: what comes after it is out of reach
            self._lose(error)
        yield from self._take()
        decoded = self.count - self.silence
        self.stopped = self.stopped or self.count > self.most
        # noise of which a little looks like sound is not speech
        if self.error and (self.lost > self.good or decoded / self.rate < self._length() / 2):
            raise self.error

    def _decode(self, packet: Any) -> Iterator[NDArray[np.float32]]:
        try:
            for frame in packet.decode():
                if self.gaps and (silence := self.gaps.before(frame, self.count)):
                    yield from self._pause(silence)
                self._add(frame)
        except (av.error.FFmpegError, ValueError) as error:
            self._lose(error, packet)
            return
        if packet.is_corrupt:
            self._lose(ValueError("the file ends within it"), packet)
        elif packet.size:
            self.good, self.lost_last = self.good + 1, 0
            if self.gaps:
                self.gaps.good(packet)

    def _pause(self, samples: int) -> Iterator[NDArray[np.float32]]:
        yield from self._take()
        self.count, self.silence = self.count + samples, self.silence + samples
        for first in range(0, samples, BLOCK_VALUES):
            yield np.zeros(min(BLOCK_VALUES, samples - first), np.float32)

    def _add(self, frame: Any) -> None:
        if (frame.sample_rate, frame.layout.nb_channels) != (self.rate, self.channels):
            raise ValueError("its sample rate or channels change")
        if self.count > self.most:
            self.count += frame.samples  # a container that does not state its length is decoded to its end
            return
        for converted in self.resampler.resample(frame):
            converted.pts = None  # a gap between time stamps is no reason to refuse a frame
            self.fifo.write(converted)
            self.count += converted.samples

    def _take(self) -> Iterator[NDArray[np.float32]]:
        frame = self.fifo.read()
        if frame is not None:
            samples = frame.to_ndarray().astype(np.float32, copy=False)
            samples = samples.T if self.channels < PLANES else samples.reshape(-1, self.channels)
            yield np.ascontiguousarray(downmix(samples, self.how, self.center))

    def _lose(self, error: Exception, packet: Any = None) -> None:
        if self.gaps and packet is not None:
            self.gaps.bad(packet)
        self.lost, self.lost_last, self.error = self.lost + 1, self.lost_last + 1, error

    def _time(self, packet: Any) -> None:
        if packet.pts is None or not packet.duration:
            return
        if self.begin is None:
            self.begin = self.end = packet.pts
        gap = (packet.pts - self.end) * self.tick
        if gap > GAP_SECONDS:
            self.skipped += gap
        self.end = packet.pts + packet.duration

    def _length(self) -> float:
        """Return how long the packets last by their time stamps, s; 0 where they have none."""
        return 0.0 if self.begin is None else (self.end - self.begin) * self.tick - self.skipped

    def judge(self, stated: float, cut: str) -> tuple[ClipStatus, str]:
        """Return whether the stream was whole, and what lacks."""
        inside = self.lost - self.lost_last
        if inside:
            return ClipStatus.DAMAGED, f"{inside:,} of {self.good + self.lost:,} packets cannot be decoded"
        if self.skipped:
            return ClipStatus.DAMAGED, f"{self.skipped:.1f} s are lacking by its time stamps"
        if cut:
            return ClipStatus.CUT_OFF, cut
        if self.begin is not None and self._length() < stated - END_SECONDS:
            return ClipStatus.CUT_OFF, f"the header promises {stated:.2f} s, the file holds {self._length():.2f} s"
        if self.lost:
            return ClipStatus.CUT_OFF, "its end cannot be decoded"
        return ClipStatus.OK, ""
