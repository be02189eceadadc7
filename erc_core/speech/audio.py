"""From a clip as it lies on disk, or in memory, to 16 kHz mono speech: decode, down-mix, resample, judge by rule."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr
from numpy.typing import NDArray

from erc_core.params.data import AudioParams
from erc_core.run.provenance import code_hash
from erc_core.speech.decoding.files import decode
from erc_core.speech.decoding.sound import Sound, center_of, downmix
from erc_core.speech.samples import FULL_SCALE
from erc_core.store.clips import ClipStatus
from erc_core.store.ragged_writer import RaggedWriter

if TYPE_CHECKING:
    from erc_core.speech.shards import Shard

# what decides the samples, beside clips and parameters; see shards
CODE_FILES = (
    "speech/audio.py", "speech/decoding/ends.py", "speech/decoding/ffmpeg.py", "speech/decoding/files.py",
    "speech/decoding/gaps.py", "speech/decoding/sound.py", "speech/samples.py", "store/checksums.py", "store/clips.py", "store/ragged.py", "store/ragged_writer.py",
    "store/tables.py",
)  # fmt: skip
CODE = code_hash(*CODE_FILES, packages=("soxr", "soundfile", "av"))

SURE_DB = 1.0  # a level in single precision is nearer to the exact one than this


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


def load_clip(path: Path | None, params: AudioParams, missing: str = "no such clip in the corpus") -> Clip:
    """Decode a clip (None: there is none) and bring it to mono at the target rate; `missing` is what to say where it lacks.

    Never raises for what is wrong with the clip: it is empty then, with the status that says why.
    """
    try:
        if path is None or not path.exists():
            return without_audio(ClipStatus.MISSING, missing)
        if path.stat().st_size == 0:
            return without_audio(ClipStatus.EMPTY, "the file has no bytes")
        sound = decode(path, params.max_seconds, params.downmix)
    except Exception as error:  # a damaged file makes decoders raise anything, and one clip must not end a corpus
        return without_audio(ClipStatus.UNDECODABLE, words_of(error))
    return prepare_clip(sound, params)


def prepare_clip(sound: Sound, params: AudioParams) -> Clip:
    """Down-mix, resample and judge decoded samples; the in-memory half of load_clip."""
    if len(sound.samples) == 0:
        return without_audio(ClipStatus.EMPTY, "the file has no samples")
    if sound.seconds < params.min_seconds:
        detail = f"{sound.seconds:.3f} s, shorter than audio.min_seconds ({params.min_seconds:g} s)"
        return without_audio(ClipStatus.TOO_SHORT, detail, sound.seconds)
    mono = downmix(sound.samples, params.downmix, center_of(sound.samples.shape[1]))
    if not np.isfinite(_energy(mono)) and not np.isfinite(mono).all():
        broken = int(np.count_nonzero(~np.isfinite(mono)))
        detail = f"{broken} of {len(mono)} samples are NaN or infinite"
        return without_audio(ClipStatus.NOT_FINITE, detail, sound.seconds)
    mono = mono[: round(params.max_seconds * sound.sample_rate)]
    level = _level(mono, params.silence_dbfs + SURE_DB)
    if level < params.silence_dbfs:
        detail = f"level {level:.0f} dBFS, below audio.silence_dbfs ({params.silence_dbfs:g} dBFS)"
        return without_audio(ClipStatus.SILENT, detail, sound.seconds)
    if sound.sample_rate != params.sample_rate:
        mono = np.clip(mono, -FULL_SCALE, FULL_SCALE)  # damaged float samples near 1e38 overflow in the resampler
        mono = soxr.resample(mono, sound.sample_rate, params.sample_rate, quality="HQ")
    scaled = mono * np.float32(FULL_SCALE)
    samples = np.clip(np.rint(scaled, out=scaled), -FULL_SCALE, FULL_SCALE - 1, out=scaled).astype(np.int16)
    if sound.seconds > params.max_seconds:
        detail = f"{sound.seconds:.1f} s, longer than audio.max_seconds ({params.max_seconds:g} s)"
        return Clip(samples, sound.seconds, ClipStatus.TOO_LONG, detail)
    return Clip(samples, sound.seconds, sound.status, sound.detail)


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


def without_audio(status: ClipStatus, detail: str, seconds: float = 0.0) -> Clip:
    """Return a clip that gives no speech, for a reason."""
    return Clip(np.zeros(0, np.int16), seconds, status, detail)


def words_of(error: Exception) -> str:
    """Return what a decoder said, one line without the path, which differs from machine to machine."""
    words = getattr(error, "strerror", None) or getattr(error, "error_string", None) or str(error)
    return " ".join(words.split()) or type(error).__name__
