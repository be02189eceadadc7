"""Resampling: soxr's qualities against torchaudio's filters, their time and what they do to test tones.

Run as `python -m benchmarks.resampling`; README.md of this folder tells how to read what it writes.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torchaudio.transforms import Resample

from benchmarks.harness import Contender, command_line, finish, goal, measure, summarize

NAME = "resampling"
PACKAGES = ("numpy", "soxr", "torch", "torchaudio")
TARGET = 16000
RATES = (48000, 22050)
PASS_BAND = 0.9  # up to this share of half the target rate a tone has to stay
STOP_BAND = 1.1  # from here on it has to go
TONES = 48  # in each band
OURS = "soxr HQ"
DEFAULT = "torchaudio, as it is"
RIPPLE = 0.1  # dB, at most
ALIAS = -96.0  # dB, at most: the step of 16-bit samples
LEAST = 1e-9  # of an amplitude: -180 dB

Samples = NDArray[np.float32]
Resampler = Callable[[Samples], Samples]

# the names that torchaudio's documentation gives to the settings with which it comes near to librosa's old resampler
TORCHAUDIO: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    "torchaudio, kaiser_fast": {
        "lowpass_filter_width": 16,
        "rolloff": 0.85,
        "resampling_method": "sinc_interp_kaiser",
        "beta": 8.555504641634386,
    },
    "torchaudio, kaiser_best": {
        "lowpass_filter_width": 64,
        "rolloff": 0.9475937167399596,
        "resampling_method": "sinc_interp_kaiser",
        "beta": 14.769656459379492,
    },
}


@dataclass(frozen=True)
class Quality:
    """What a resampler does to tones, dB.

    Attributes:
        ripple: Largest change of the level of a tone in the pass band.
        residue: Largest level of what a tone in the pass band becomes besides itself, relative to it.
        alias: Largest level of what a tone beyond the target rate leaves, relative to it.
        level: Change of the level at 1 kHz.
    """

    ripple: float
    residue: float
    alias: float
    level: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure time and quality for all rates, and write the JSON; returns the exit status."""
    options = parse(arguments)
    torch.set_num_threads(1)
    groups: dict[str, list[dict[str, Any]]] = {}
    outputs: list[dict[str, Any]] = []
    qualities: dict[tuple[int, str], Quality] = {}
    clip = np.random.default_rng(0).uniform(-0.5, 0.5, round(options.seconds * max(RATES))).astype(np.float32)
    for rate in RATES:
        resamplers = make_resamplers(rate)
        group = f"{rate} to {TARGET} Hz"
        print(f"{group}: {options.rounds} rounds", file=sys.stderr, flush=True)
        speech = clip[: round(options.seconds * rate)]
        contenders = [
            Contender(
                name,
                partial(resample_clips, resample, speech, options.clips),
                role="ours" if name == OURS else "variant" if name.startswith("soxr") else "peer",
            )
            for name, resample in resamplers.items()
        ]
        groups[group] = summarize(measure(contenders, options.rounds))
        for name, resample in resamplers.items():
            quality = qualities[rate, name] = quality_of(resample, rate, options.tones)
            outputs.append(
                {
                    "group": group,
                    "contender": name,
                    "pass band, ripple dB": quality.ripple,
                    "pass band, residue dB": quality.residue,
                    "stop band, alias dB": quality.alias,
                    "level at 1 kHz, dB": quality.level,
                    "agrees": abs(quality.level) < 0.1,
                }
            )
    ours = [qualities[rate, OURS] for rate in RATES]
    as_good = [
        r["times_ours"]["median"]
        for rate, rows in zip(RATES, groups.values(), strict=True)
        for r in rows
        if r["role"] == "peer" and good(qualities[rate, r["name"]])
    ]
    goals = [
        goal(f"ripple of soxr HQ in the pass band, dB, at most {RIPPLE}", max(q.ripple for q in ours), at_most=RIPPLE),
        goal("alias of soxr HQ, dB, at most the step of 16-bit samples", max(q.alias for q in ours), at_most=ALIAS),
        goal(
            "times that torchaudio takes where it keeps to both, at least 1", min(as_good, default=None), at_least=1.0
        ),
    ]
    agree = finish(
        NAME,
        rounds=options.rounds,
        settings={
            "clips": options.clips,
            "seconds": options.seconds,
            "processes": 1,
            "tones": options.tones,
            "pass_band_hz": [50, PASS_BAND * TARGET / 2],
            "stop_band_hz": [STOP_BAND * TARGET / 2, "0.98 of half the rate of the clip"],
        },
        packages=PACKAGES,
        groups=groups,
        outputs=outputs,
        goals=goals,
        folder=options.results,
    )
    return 0 if agree else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line(NAME, __doc__)
    parser.add_argument("--clips", type=int, default=50, help="clips that are resampled in a run")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a clip")
    parser.add_argument("--tones", type=int, default=TONES, help="test tones in each band")
    return parser.parse_args(arguments)


def make_resamplers(rate: int) -> dict[str, Resampler]:
    """Return all resamplers from a rate to the target's by name; torchaudio's filters are made once and kept."""
    resamplers: dict[str, Resampler] = {
        f"soxr {quality}": partial(_by_soxr, rate=rate, quality=quality) for quality in ("QQ", "LQ", "MQ", "HQ", "VHQ")
    }
    for name, settings in TORCHAUDIO.items():
        resamplers[name] = partial(_by_torchaudio, transform=Resample(rate, TARGET, **settings))
    return resamplers


def good(quality: Quality) -> bool:
    """Tell whether samples of 16 bits keep all that a resampler leaves, and nothing that it should not."""
    return quality.ripple <= RIPPLE and quality.alias <= ALIAS


def _by_soxr(samples: Samples, rate: int, quality: str) -> Samples:
    resampled: Samples = soxr.resample(samples, rate, TARGET, quality=quality)
    return resampled


@torch.inference_mode()
def _by_torchaudio(samples: Samples, transform: Resample) -> Samples:
    resampled: Samples = transform(torch.from_numpy(samples)).numpy()
    return resampled


def resample_clips(resample: Resampler, clip: Samples, clips: int) -> None:
    """Resample a clip as often as asked, as the clips of a corpus are: one by one."""
    for _ in range(clips):
        resample(clip)


def quality_of(resample: Resampler, rate: int, tones: int) -> Quality:
    """Return what a resampler does to tones of one second in its pass band and in its stop band."""
    passed = [_through(resample, rate, f) for f in np.linspace(50, PASS_BAND * TARGET / 2, tones)]
    stopped = [_through(resample, rate, f) for f in np.linspace(STOP_BAND * TARGET / 2, 0.98 * rate / 2, tones)]
    return Quality(
        ripple=max(abs(_db(level)) for level, _ in passed),
        residue=max(_db(rest / level) for level, rest in passed),
        alias=max(_db(float(np.hypot(level, rest))) for level, rest in stopped),
        level=_db(_through(resample, rate, 1000.0)[0]),
    )


def _through(resample: Resampler, rate: int, frequency: float) -> tuple[float, float]:
    """Return how much of a tone comes out as itself, and how much besides, as shares of its RMS.

    A tone beyond the target rate folds back, and is fitted where it is heard; the sum of both is what counts there.
    """
    tone = np.sin(2 * np.pi * frequency * np.arange(rate) / rate)
    heard = resample(tone.astype(np.float32)).astype(np.float64)
    middle = slice(len(heard) // 5, -len(heard) // 5)  # the borders have no neighbours to filter with
    angle = 2 * np.pi * frequency * np.arange(len(heard))[middle] / TARGET
    waves = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    amplitudes = np.linalg.lstsq(waves, heard[middle], rcond=None)[0]
    rest = heard[middle] - waves @ amplitudes
    return max(float(np.hypot(*amplitudes)), LEAST), max(float(np.sqrt(2 * np.mean(rest**2))), LEAST)


def _db(ratio: float) -> float:
    return float(20 * np.log10(ratio))


if __name__ == "__main__":
    sys.exit(main())
