"""From a clip as it lies on disk, or in memory, to 16 kHz mono speech: decode, down-mix, resample, judge by rule."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from erc_core.params.data import AudioParams
from erc_core.run.provenance import code_hash
from erc_core.speech.samples import FULL_SCALE, to_float
from erc_core.store.clips import ClipStatus
from erc_core.store.ragged import RaggedWriter

if TYPE_CHECKING:
    from erc_core.speech.shards import Shard

# what decides the samples, beside clips and parameters; see shards
CODE_FILES = (
    "speech/audio.py",
    "speech/samples.py",
    "store/checksums.py",
    "store/clips.py",
    "store/ragged.py",
    "store/tables.py",
)
CODE = code_hash(*CODE_FILES, packages=("soxr", "soundfile", "av"))

SOUNDFILE_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".au"}
# libsndfile's own conversion of these to float gives the same values, and takes three times as long
SIXTEEN_BIT = {("WAV", "PCM_16"), ("WAVEX", "PCM_16")}
CENTER_OF_5_1 = 2
SURE_DB = 1.0  # a level in single precision is nearer to the exact one than this
PROMISED_BYTES = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)  # in libsndfile's log of a wav
UNKNOWN_LENGTH = 2**63 - 1  # libsndfile's word for a stream, such as flac from a pipe, whose end it cannot read either


@dataclass(frozen=True)
class Sound:
    """Decoded samples as the file has them."""

    samples: NDArray[np.float32]  # (n, channels), full scale 1
    sample_rate: int  # Hz
    seconds: float  # length of the whole clip, also where only its beginning was decoded
    cut_off: str = ""  # what the header promises and the file does not hold, in words; empty for a whole file


@dataclass(frozen=True)
class Clip:
    """Speech ready for features, or the reason why there is none."""

    samples: NDArray[np.int16]  # (n,) mono at the target rate; empty where the status gives no audio
    seconds: float  # length of the clip as it came, 0 if unknown
    status: ClipStatus
    detail: str = ""  # the reason in words; empty for an ordinary clip


def decode_shard(shard: "Shard", writer: RaggedWriter, params: AudioParams) -> list[tuple[str, float, str]]:
    """Decode some clips, and return what became of them: status, seconds, detail."""
    outcomes = []
    for utterance_id, path in zip(shard.ids, shard.inputs, strict=True):
        clip = load_clip(path, params)
        writer.append(utterance_id, clip.samples)
        outcomes.append((clip.status.value, clip.seconds, clip.detail))
    return outcomes


def load_clip(path: Path | None, params: AudioParams) -> Clip:
    """Decode a clip (None: the corpus has none) and bring it to mono at the target rate.

    Never raises for what is wrong with the clip: it is empty then, with the status that says why.
    """
    try:
        if path is None or not path.exists():
            return _without_audio(ClipStatus.MISSING, "no such clip in the corpus")
        if path.stat().st_size == 0:
            return _without_audio(ClipStatus.EMPTY, "the file has no bytes")
        sound = decode(path, params.max_seconds)
    except Exception as error:  # a damaged file makes decoders raise anything, and one clip must not end a corpus
        return _without_audio(ClipStatus.UNDECODABLE, _reason(error))
    return prepare_clip(sound, params)


def prepare_clip(sound: Sound, params: AudioParams) -> Clip:
    """Down-mix, resample and judge decoded samples; the in-memory half of load_clip."""
    if len(sound.samples) == 0:
        return _without_audio(ClipStatus.EMPTY, "the file has no samples")
    if sound.seconds < params.min_seconds:
        detail = f"{sound.seconds:.3f} s, shorter than audio.min_seconds ({params.min_seconds:g} s)"
        return _without_audio(ClipStatus.TOO_SHORT, detail, sound.seconds)
    mono = downmix(sound.samples, params.downmix)
    if not np.isfinite(_energy(mono)) and not np.isfinite(mono).all():
        broken = int(np.count_nonzero(~np.isfinite(mono)))
        detail = f"{broken} of {len(mono)} samples are NaN or infinite"
        return _without_audio(ClipStatus.NOT_FINITE, detail, sound.seconds)
    mono = mono[: round(params.max_seconds * sound.sample_rate)]
    level = _level(mono, params.silence_dbfs + SURE_DB)
    if level < params.silence_dbfs:
        detail = f"level {level:.0f} dBFS, below audio.silence_dbfs ({params.silence_dbfs:g} dBFS)"
        return _without_audio(ClipStatus.SILENT, detail, sound.seconds)
    if sound.sample_rate != params.sample_rate:
        mono = np.clip(mono, -FULL_SCALE, FULL_SCALE)  # damaged float samples near 1e38 overflow in the resampler
        mono = soxr.resample(mono, sound.sample_rate, params.sample_rate, quality="HQ")
    scaled = mono * np.float32(FULL_SCALE)
    samples = np.clip(np.rint(scaled, out=scaled), -FULL_SCALE, FULL_SCALE - 1, out=scaled).astype(np.int16)
    if sound.seconds > params.max_seconds:
        detail = f"{sound.seconds:.1f} s, longer than audio.max_seconds ({params.max_seconds:g} s)"
        return Clip(samples, sound.seconds, ClipStatus.TOO_LONG, detail)
    return Clip(samples, sound.seconds, ClipStatus.CUT_OFF if sound.cut_off else ClipStatus.OK, sound.cut_off)


def _level(mono: NDArray[np.float32], enough: float) -> float:
    """Return the level, dB of full scale; where that is surely more than enough dB, a rougher figure found sooner."""
    energy = _energy(mono) / max(1, len(mono))
    if np.isfinite(energy) and energy > 10 ** (enough / 10):
        return float(10 * np.log10(energy))
    return float(20 * np.log10(max(float(np.sqrt(np.mean(np.square(mono, dtype=np.float64)))), 1e-12)))


def _energy(mono: NDArray[np.float32]) -> float:
    """Return the sum of squares in single precision: good to a part in a thousand, and finite only if all samples are."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.dot(mono, mono))


def decode(path: Path, max_seconds: float) -> Sound:
    """Decode a file's audio, at most a little over max_seconds of it.

    libsndfile reads the audio formats, FFmpeg the rest: the audio stream of a video is decoded without its pictures.
    What cannot be decoded raises, as a rule, soundfile.SoundFileError or av.error.FFmpegError.
    """
    if path.suffix.lower() in SOUNDFILE_SUFFIXES:
        with soundfile.SoundFile(path) as file:
            if file.frames != UNKNOWN_LENGTH:
                samples = _read(file, round(max_seconds * file.samplerate) + 1)
                # a header may promise more than the file holds: only a full read is taken at the header's word
                whole = len(samples) <= max_seconds * file.samplerate
                seconds = (len(samples) if whole else file.frames) / file.samplerate
                return Sound(samples, file.samplerate, seconds, _cut_off(file.extra_info))
    return _decode_with_ffmpeg(path, max_seconds)


def _read(file: soundfile.SoundFile, frames: int) -> NDArray[np.float32]:
    """Return at most so many frames, (n, channels), full scale 1."""
    if (file.format, file.subtype) in SIXTEEN_BIT:
        return to_float(file.read(frames, dtype="int16", always_2d=True))
    return np.asarray(file.read(frames, dtype="float32", always_2d=True))


def _cut_off(log: str) -> str:
    """Return what a wav's header promises and the file lacks: it broke off in a copy, or a pipe could not know its length."""
    match = PROMISED_BYTES.search(log)
    promised, held = map(int, match.groups()) if match else (0, 0)
    return f"the header promises {promised:,} bytes of samples, the file holds {held:,}" if promised > held else ""


def _decode_with_ffmpeg(path: Path, max_seconds: float) -> Sound:
    with av.open(str(path), metadata_errors="replace") as container:
        if not container.streams.audio:
            raise ValueError("no audio stream")
        stream = container.streams.audio[0]
        if stream.codec_context is None:
            raise ValueError("no decoder for its audio stream")
        rate = int(stream.rate)
        stated = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
        to_planar_float = av.AudioResampler(format="fltp")
        decoded = av.AudioFifo()  # one array for all frames: an array for each costs half as much as decoding it
        count = 0
        for frame in container.decode(stream):
            if count > max_seconds * rate:
                if stated:
                    break
                count += frame.samples  # a container that does not state its length is decoded to its end
                continue
            for converted in to_planar_float.resample(frame):
                converted.pts = None  # a gap between time stamps is no reason to refuse a frame
                decoded.write(converted)
                count += converted.samples
        whole = decoded.read()
        if whole is None:
            return Sound(np.zeros((0, 1), np.float32), rate, 0.0)
        seconds = max(count / rate, stated) if count > max_seconds * rate else count / rate
        return Sound(whole.to_ndarray().astype(np.float32, copy=False).T, rate, seconds)


def downmix(samples: NDArray[np.float32], how: str) -> NDArray[np.float32]:
    """Reduce (n, channels) to (n,).

    "center" takes the centre channel of 5.1, which holds the speech of films and series, and the mean of any other
    layout; "mean" always the mean; "first" always the first channel.
    """
    channels = samples.shape[1]
    if channels == 1 or how == "first":
        return samples[:, 0]
    if how == "center" and channels == 6:
        return samples[:, CENTER_OF_5_1]
    if channels == 2:  # the same values as below, four times as fast
        return (samples[:, 0] + samples[:, 1]) / np.float32(2)
    return np.asarray(samples.mean(axis=1, dtype=np.float32))


def _without_audio(status: ClipStatus, detail: str, seconds: float = 0.0) -> Clip:
    return Clip(np.zeros(0, np.int16), seconds, status, detail)


def _reason(error: Exception) -> str:
    """Return one line without the path, which differs from machine to machine."""
    words = getattr(error, "strerror", None) or getattr(error, "error_string", None) or str(error)
    return " ".join(words.split()) or type(error).__name__
