import json
import math
import os
import subprocess
import sys
import warnings

import librosa
import numpy as np
import pytest
from closure import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_core.params.data import MelParams
from erc_core.params.load import load_params
from erc_core.speech.mel import LogMel, RunningMoments

DEFAULT = load_params(ROOT / "params.yaml").mel
OTHER = MelParams(n_mels=40, n_fft=1024, window_ms=32.0, hop_ms=8.0, f_min=0.0, f_max=7000.0, floor=1e-10)
RATE = 16000


def waveform(seconds: float) -> np.ndarray:
    time = np.arange(round(RATE * seconds)) / RATE
    noise = np.random.default_rng(0).normal(0, 0.01, len(time))
    return (0.3 * np.sin(2 * np.pi * (200 * time + 900 * time**2)) + noise).astype(np.float32)


def by_librosa(wave: np.ndarray, params: MelParams) -> np.ndarray:
    """Return (frames, n_mels) mel power."""
    return librosa.feature.melspectrogram(
        y=wave,
        sr=RATE,
        n_fft=params.n_fft,
        win_length=round(params.window_ms * RATE / 1000),
        hop_length=round(params.hop_ms * RATE / 1000),
        window="hann",
        center=True,
        pad_mode="reflect",
        power=2.0,
        n_mels=params.n_mels,
        fmin=params.f_min,
        fmax=params.f_max,
        htk=True,
        norm=None,
    ).T


@pytest.mark.slow
@pytest.mark.parametrize("params", [DEFAULT, OTHER], ids=["default", "other"])
def test_it_is_the_spectrogram_that_librosa_computes(params):
    wave = waveform(1.3)
    log_mel = LogMel(params, RATE)(wave)
    expected = np.log(by_librosa(wave, params) + params.floor)
    assert log_mel.dtype == np.float16
    assert log_mel.shape == expected.shape
    assert np.ptp(expected) > 10  # loud and quiet bins, so the comparison says something
    # half precision between 8 and 16 has steps of 1/128; float32 adds its own error where there is little power
    np.testing.assert_allclose(log_mel.astype(np.float64), expected, rtol=0, atol=1 / 256 + 1e-3)


@settings(deadline=None, max_examples=30)
@given(samples=st.integers(DEFAULT.n_fft // 2 + 1, 20000))
def test_frames_are_counted_from_the_first_sample_in_steps_of_a_hop(samples):
    hop = round(DEFAULT.hop_ms * RATE / 1000)
    log_mel = LogMel(DEFAULT, RATE)(np.zeros(samples, np.float32))
    assert log_mel.shape == (1 + samples // hop, DEFAULT.n_mels)
    assert np.allclose(log_mel, math.log(DEFAULT.floor), atol=0.005)  # silence is the floor


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_lengths_follow_the_sample_rate(rate):
    params = DEFAULT.model_copy(update={"n_fft": 2048, "f_max": 4000.0})
    assert LogMel(params, rate)(np.zeros(rate, np.float32)).shape == (101, params.n_mels)


def test_a_tone_shows_in_its_bin_and_moment():
    wave = np.zeros(RATE, np.float32)
    wave[8000:] = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(8000) / RATE)
    log_mel = LogMel(DEFAULT, RATE)(wave)
    edges = librosa.mel_frequencies(DEFAULT.n_mels + 2, fmin=DEFAULT.f_min, fmax=DEFAULT.f_max, htk=True)
    assert log_mel[75].argmax() == np.abs(edges[1:-1] - 1000).argmin()
    assert log_mel[25].max() < math.log(DEFAULT.floor) + 0.01


def test_the_default_filters_all_hear_something():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torchaudio warns of filters that are zero everywhere
        log_mel = LogMel(DEFAULT, RATE)
    filters = log_mel.filters.numpy()
    assert filters.shape == (DEFAULT.n_fft // 2 + 1, DEFAULT.n_mels)
    assert filters.max(axis=0).min() > 0.1


def test_half_precision_holds_the_loudest_and_the_quietest():
    square = np.where(np.arange(RATE) % 100 < 50, 1.0, -1.0).astype(np.float32)
    log_mel = LogMel(DEFAULT, RATE)(square)
    assert np.isfinite(log_mel).all()
    assert 8 < log_mel.max() < 16


@settings(deadline=None, max_examples=30)
@given(lengths=st.lists(st.integers(0, 30), max_size=6), batches=st.integers(1, 3), seed=st.integers(0, 99))
def test_running_moments_are_those_of_all_frames_together(lengths, batches, seed):
    rng = np.random.default_rng(seed)
    spectrograms = [rng.normal(-7, 4, (length, 5)).astype(np.float16) for length in lengths]
    moments = RunningMoments(5)
    for start in range(batches):
        moments.add(spectrograms[start::batches])
    mean, std = moments.mean_and_std()
    assert (mean.dtype, std.dtype, mean.shape, std.shape) == (np.float32, np.float32, (5,), (5,))
    frames = np.concatenate([np.zeros((0, 5)), *spectrograms]).astype(np.float64)
    if len(frames) == 0:
        assert (mean.tolist(), std.tolist()) == ([0] * 5, [1] * 5)
    else:
        np.testing.assert_allclose(mean, frames.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(std, np.maximum(frames.std(axis=0), 1e-3), rtol=1e-5)


def test_a_bin_that_never_changes_has_no_zero_deviation():
    moments = RunningMoments(2)
    moments.add([np.full((1000, 2), -13.8, np.float16)])
    mean, std = moments.mean_and_std()
    assert mean == pytest.approx(-13.8, abs=0.01)
    assert std == pytest.approx(1e-3)


def test_moments_of_parts_through_json_are_those_of_the_whole():
    rng = np.random.default_rng(0)
    spectrograms = [rng.normal(-5, 3, (n, 4)).astype(np.float16) for n in (7, 0, 30, 1)]
    whole, joined = RunningMoments(4), RunningMoments(4)
    whole.add(spectrograms)
    for spectrogram in spectrograms:
        part = RunningMoments(4)
        part.add([spectrogram])
        joined.add_state(json.loads(json.dumps(part.state())))
    assert joined.count == whole.count
    assert all(map(np.array_equal, joined.mean_and_std(), whole.mean_and_std()))


BYTES = """
import sys
import numpy as np
from pathlib import Path
from erc_core.params.load import load_params
from erc_core.speech.mel import LogMel
noise = np.random.default_rng(0).normal(0, 0.05, (20, 16000)).astype(np.float32)
log_mel = LogMel(load_params(Path(sys.argv[1])).mel, 16000)
sys.stdout.buffer.write(b"".join(log_mel(wave).tobytes() for wave in noise))
"""


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_instructions_that_the_cpu_has():
    """Without vector units, and with MKL's oldest code: in float32 thousands of values differ."""
    old = {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}
    command = [sys.executable, "-c", BYTES, str(ROOT / "params.yaml")]
    made = [
        subprocess.run(command, cwd=ROOT, env=os.environ | more, capture_output=True, check=True).stdout
        for more in ({}, old)
    ]
    assert len(made[0]) > 100_000
    assert made[0] == made[1]
