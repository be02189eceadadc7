"""Decode a file by its content, whatever its name says: libsndfile reads plain samples and FLAC, FFmpeg all else."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from erc_core.speech.decoding import ffmpeg
from erc_core.speech.decoding.sound import Sound, SoundStream, center_of, downmix, join
from erc_core.speech.samples import to_float
from erc_core.store.clips import ClipStatus

# libsndfile gives Vorbis' own order of channels, and passes over what is damaged in these without a word
NOT_BY_LIBSNDFILE = {"OGG", "MP3"}
# how these begin: not even opened, as its mp3 decoder writes to stderr
LOSSY = re.compile(rb"OggS|ID3|\xff[\xe0-\xff]")
# libsndfile's own conversion of these to float gives the same values, and takes three times as long
SIXTEEN_BIT = {("WAV", "PCM_16"), ("WAVEX", "PCM_16")}
BLOCK_VALUES = 2**22  # samples of all channels that are held at a time
# in libsndfile's log of wav, aiff, au, 8svx, w64 and rf64
PROMISED_BYTES = re.compile(
    r"^ *(?:data|SSND|Data Size|BODY|riff|Riff size) *: (\d+) \(should be (\d+)\)", re.MULTILINE
)
UNKNOWN_LENGTH = 2**63 - 1  # libsndfile's word for a stream, such as flac from a pipe, whose end it cannot read either
UNRECOGNISED = 1  # libsndfile's code for a format that is not its own


def decode(path: Path, max_seconds: float, how: str) -> Sound:
    """Decode a file's audio, at most a little over max_seconds of it, to one channel by audio.downmix.

    Where a part cannot be decoded the rest is kept, and the status tells. Without a part that can, this raises, as a rule,
    soundfile.SoundFileError or av.error.FFmpegError.
    """
    failed = None
    try:
        sound = _decode_with_libsndfile(path, max_seconds, how)
        if sound is not None:
            return sound
    except soundfile.LibsndfileError as error:
        failed = error if error.code != UNRECOGNISED else None
    try:
        sound = ffmpeg.decode(path, max_seconds, how)
    except Exception:
        if failed:  # it knows the format, and says what is wrong with the file
            raise failed from None
        raise
    was_open = failed is not None and not failed.prefix  # what fails in opening has one
    if was_open and sound.status is ClipStatus.OK and len(sound.samples):
        return replace(sound, status=ClipStatus.DAMAGED, detail="a part cannot be decoded")
    return sound


@contextmanager
def open_stream(path: Path, how: str) -> Iterator[SoundStream]:
    """Open a file's audio to be decoded block by block, to one channel by audio.downmix; raises as decode() does."""
    with ExitStack() as stack:
        file = None
        with suppress(soundfile.LibsndfileError):
            file = stack.enter_context(_libsndfile(path))
        if file is None:
            yield stack.enter_context(ffmpeg.open_stream(path, how))
        else:
            damage: list[tuple[float, float]] = []
            yield SoundStream(file.samplerate, _blocks_past_damage(file, path, how, damage), damage)


def _blocks_past_damage(
    file: soundfile.SoundFile, path: Path, how: str, damage: list[tuple[float, float]]
) -> Iterator[NDArray[np.float32]]:
    """Yield what libsndfile reads, and where it can go no further what FFmpeg makes of the rest."""
    given, whole = 0, False
    with suppress(soundfile.LibsndfileError):
        for block in _mono_blocks(file, path, file.frames, how):
            given += len(block)
            yield block
        whole = True
    if whole:
        return
    with ffmpeg.open_stream(path, how, gap=0.0) as stream:
        for block in stream.blocks:
            damage[:] = stream.damage
            rest = block[given:]
            given = max(0, given - len(block))
            if len(rest):
                yield rest


def _decode_with_libsndfile(path: Path, max_seconds: float, how: str) -> Sound | None:
    """Return what libsndfile makes of a file, None where that is left to FFmpeg."""
    with _libsndfile(path) as file:
        return None if file is None else _read(file, path, max_seconds, how)


@contextmanager
def _libsndfile(path: Path) -> Iterator[soundfile.SoundFile | None]:
    """Open a file with libsndfile; None where it is left to FFmpeg."""
    with path.open("rb") as opened:
        if LOSSY.match(os.pread(opened.fileno(), 4, 0)):
            yield None
            return
        # by its number: libsndfile takes a name's suffix for the format of a file without a header
        with soundfile.SoundFile(opened.fileno(), closefd=False) as file:
            yield None if file.format in NOT_BY_LIBSNDFILE or file.frames == UNKNOWN_LENGTH else file


def _mono_blocks(file: soundfile.SoundFile, path: Path, most: int, how: str) -> Iterator[NDArray[np.float32]]:
    center = _center(path, file.channels) if how == "center" and file.channels > 2 else None
    return (np.ascontiguousarray(downmix(block, how, center)) for block in _blocks(file, most))


def _read(file: soundfile.SoundFile, path: Path, max_seconds: float, how: str) -> Sound:
    most = round(max_seconds * file.samplerate) + 1
    samples = join(list(_mono_blocks(file, path, most, how)))
    # a header may promise more than the file holds: only a full read is taken at the header's word
    whole = len(samples) <= max_seconds * file.samplerate
    seconds = (len(samples) if whole else file.frames) / file.samplerate
    lacking = _cut_off(file.extra_info)
    status = ClipStatus.CUT_OFF if lacking else ClipStatus.OK
    return Sound(samples, file.samplerate, seconds, status, lacking)


def _blocks(file: soundfile.SoundFile, most: int) -> Iterator[NDArray[np.float32]]:
    """Yield at most so many frames, (n, channels) in each block, full scale 1."""
    left, step = min(most, file.frames), max(1, BLOCK_VALUES // file.channels)
    sixteen_bit = (file.format, file.subtype) in SIXTEEN_BIT
    while left > 0:
        block = file.read(min(step, left), dtype="int16" if sixteen_bit else "float32", always_2d=True)
        if len(block) == 0:
            return
        yield to_float(block) if sixteen_bit else block
        left -= len(block)


def _center(path: Path, channels: int) -> int | None:
    """Return the centre among the channels as the file has them, which is FFmpeg's order of plain samples and FLAC too."""
    names: tuple[str, ...] = ()
    try:
        with ffmpeg.open_container(path) as container:
            names = ffmpeg.channel_names(container.streams.audio[0])
    except ValueError as error:
        names = error.args[1] if len(error.args) > 1 else ()
    except Exception:  # what FFmpeg cannot open has no names
        names = ()
    return center_of(channels, names if len(names) == channels else ())


def _cut_off(log: str) -> str:
    """Return what a header promises and the file lacks: it broke off in a copy, or a pipe could not know its length."""
    match = PROMISED_BYTES.search(log)
    promised, held = map(int, match.groups()) if match else (0, 0)
    return f"the header promises {promised:,} bytes of samples, the file holds {held:,}" if promised > held else ""
