import io
import struct
import warnings
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from erc_core.params.data import AudioParams
from erc_core.speech.audio import Clip, Sound, downmix, load_clip, prepare_clip
from erc_core.speech.samples import to_float
from erc_core.store.clips import ClipStatus

PARAMS = AudioParams(sample_rate=16000, downmix="center", min_seconds=0.1, max_seconds=2.0, silence_dbfs=-65.0)
CHANNEL_TONES = [500, 700, 1100, 60, 1700, 2300]  # Hz; the fourth channel of 5.1 carries only low frequencies


def tone(rate: int, seconds: float, *frequencies: float, level: float = 0.5, channels: int = 1) -> NDArray[np.float32]:
    """Return (n, channels): one frequency in all channels, or one for each."""
    time = np.arange(round(rate * seconds))[:, None] / rate
    wave = level * np.sin(2 * np.pi * np.asarray(frequencies or (440.0,)) * time)
    return np.broadcast_to(wave, (len(time), max(channels, len(frequencies)))).astype(np.float32)


def spectrum(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return the amplitude at each whole Hz, from one second in the middle of the clip."""
    start = (len(samples) - 16000) // 2
    window = np.hanning(16000)
    return np.abs(np.fft.rfft(to_float(samples[start : start + 16000]) * window)) * 2 / window.sum()


def changed(params: AudioParams, **changes: object) -> AudioParams:
    return params.model_copy(update=changes)


def assert_without_audio(clip: Clip, status: ClipStatus) -> None:
    assert clip.status is status
    assert not status.has_audio
    assert (clip.samples.dtype, clip.samples.shape) == (np.int16, (0,))
    assert clip.detail
    assert "\n" not in clip.detail


# ---- formats --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("x.wav", {"subtype": "PCM_16"}),
        ("x.WAV", {"subtype": "PCM_24"}),
        ("x.wav", {"subtype": "FLOAT"}),
        ("x.wav", {"subtype": "PCM_16", "format": "WAVEX"}),
        ("x.flac", {}),
    ],
)
def test_audio_files_are_read(tmp_path, name, options, channels):
    soundfile.write(tmp_path / name, tone(16000, 1.2, channels=channels), 16000, **options)
    clip = load_clip(tmp_path / name, PARAMS)
    assert (clip.status, clip.detail, clip.seconds) == (ClipStatus.OK, "", 1.2)
    assert clip.samples.dtype == np.int16
    assert np.abs(to_float(clip.samples) - tone(16000, 1.2)[:, 0]).max() < 1 / 32768


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
@pytest.mark.parametrize("video", [False, True])
def test_the_sound_of_a_video_is_read(tmp_path, write_container, layout, video):
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    write_container(tmp_path / "x.mp4", tone(48000, 1.2, channels=channels), layout=layout, video=video)
    clip = load_clip(tmp_path / "x.mp4", PARAMS)
    assert (clip.status, clip.detail) == (ClipStatus.OK, "")
    assert clip.seconds == pytest.approx(1.2, abs=0.03)
    assert len(clip.samples) == pytest.approx(16000 * clip.seconds, abs=1)
    assert spectrum(clip.samples).argmax() == 440
    assert spectrum(clip.samples)[440] == pytest.approx(0.5, rel=0.05)


def test_a_stream_that_does_not_tell_its_length_is_read(tmp_path, write_container):
    class Pipe(io.RawIOBase):
        """Something that cannot be gone back in, so the length in the header stays unknown."""

        def __init__(self) -> None:
            self.content = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:
            self.content += bytes(data)
            return len(data)

    for seconds, status in ((1.0, ClipStatus.OK), (3.0, ClipStatus.TOO_LONG)):
        pipe = Pipe()
        path = write_container(tmp_path / "x.flac", tone(16000, seconds), 16000, layout="mono", target=pipe)
        path.write_bytes(pipe.content)
        assert soundfile.info(path).frames > 2**60
        clip = load_clip(path, PARAMS)
        assert (clip.status, clip.seconds) == (status, seconds)
        assert len(clip.samples) == 16000 * min(seconds, 2)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32), length=st.integers(1600, 3000), suffix=st.sampled_from([".wav", ".flac"]))
def test_16_bit_at_the_target_rate_is_kept_to_the_bit(tmp_path_factory, seed, length, suffix):
    samples = np.random.default_rng(seed).integers(-32768, 32768, length).astype(np.int16)
    samples[:2] = -32768, 32767
    path = tmp_path_factory.getbasetemp() / f"exact{suffix}"
    soundfile.write(path, samples, 16000, subtype="PCM_16")
    clip = load_clip(path, PARAMS)
    assert np.array_equal(clip.samples, samples)
    # and the floats that features are made of are those of the file
    assert np.array_equal(to_float(clip.samples), soundfile.read(path, dtype="float32")[0])


def test_finer_samples_are_rounded_to_the_nearest(tmp_path):
    samples = tone(16000, 1.0, 313)
    soundfile.write(tmp_path / "x.wav", samples, 16000, subtype="FLOAT")
    error = to_float(load_clip(tmp_path / "x.wav", PARAMS).samples) - samples[:, 0]
    assert np.abs(error).max() <= 0.5 / 32768
    assert abs(error.mean()) < 0.01 / 32768


def test_samples_beyond_full_scale_are_clipped(tmp_path):
    for level in (3.0, 1e38, 3e38):
        soundfile.write(tmp_path / "x.wav", tone(44100, 0.5, 100, level=level), 44100, subtype="FLOAT")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            clip = load_clip(tmp_path / "x.wav", PARAMS)
        assert clip.status is ClipStatus.OK
        assert (clip.samples.min(), clip.samples.max()) == (-32768, 32767)


def test_sound_in_memory_gives_what_a_file_gives(tmp_path):
    samples = tone(44100, 1.0, 300, 900)
    soundfile.write(tmp_path / "x.wav", samples, 44100, subtype="FLOAT")
    read, prepared = load_clip(tmp_path / "x.wav", PARAMS), prepare_clip(Sound(samples, 44100, 1.0), PARAMS)
    assert np.array_equal(read.samples, prepared.samples)
    assert replace(read, samples=None) == replace(prepared, samples=None)


# ---- down-mix -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp4"])
@pytest.mark.parametrize(("how", "heard"), [("center", [2]), ("first", [0]), ("mean", [0, 1, 2, 3, 4, 5])])
def test_5_1_is_reduced_as_asked(tmp_path, write_container, suffix, how, heard):
    samples = tone(48000, 1.2, *CHANNEL_TONES)
    path = tmp_path / f"x{suffix}"
    if suffix == ".mp4":
        write_container(path, samples, layout="5.1")
    else:
        soundfile.write(path, samples, 48000, format="WAVEX" if suffix == ".wav" else None)
    found = spectrum(load_clip(path, changed(PARAMS, downmix=how)).samples)
    for channel, frequency in enumerate(CHANNEL_TONES):
        expected = 0.5 / len(heard) if channel in heard else 0.0
        assert found[frequency] == pytest.approx(expected, abs=0.01), f"channel {channel}"


@pytest.mark.parametrize(("how", "levels"), [("center", (0.25, 0.25)), ("mean", (0.25, 0.25)), ("first", (0.5, 0.0))])
def test_stereo_is_reduced_as_asked(tmp_path, how, levels):
    soundfile.write(tmp_path / "x.wav", tone(16000, 1.0, 300, 900), 16000)
    found = spectrum(load_clip(tmp_path / "x.wav", changed(PARAMS, downmix=how)).samples)
    assert (found[300], found[900]) == pytest.approx(levels, abs=0.001)


@pytest.mark.parametrize("how", ["center", "mean", "first"])
def test_mono_is_kept(how):
    samples = tone(16000, 0.1)
    assert np.array_equal(downmix(samples, how), samples[:, 0])


def test_another_number_of_channels_is_averaged():
    samples = np.arange(8, dtype=np.float32).reshape(2, 4)
    assert downmix(samples, "center").tolist() == [1.5, 5.5]
    assert downmix(samples, "center").dtype == np.float32


# ---- resampling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("frequency", [100, 1000, 3500])
def test_resampling_keeps_the_frequency_and_the_level(tmp_path, rate, frequency):
    soundfile.write(tmp_path / "x.wav", tone(rate, 1.5, frequency), rate, subtype="FLOAT")
    clip = load_clip(tmp_path / "x.wav", PARAMS)
    assert len(clip.samples) == 24000
    found = spectrum(clip.samples)
    assert found.argmax() == frequency
    assert 20 * np.log10(found[frequency] / 0.5) == pytest.approx(0, abs=0.01)
    found[frequency - 2 : frequency + 3] = 0
    assert 20 * np.log10(found.max() / 0.5) < -80


def test_resampling_keeps_the_speech_band_up_to_7_khz(tmp_path):
    soundfile.write(tmp_path / "x.wav", tone(44100, 1.5, 7000), 44100, subtype="FLOAT")
    found = spectrum(load_clip(tmp_path / "x.wav", PARAMS).samples)
    assert 20 * np.log10(found[7000] / 0.5) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(("rate", "frequency"), [(22050, 9000), (44100, 8400), (44100, 12000), (48000, 15000)])
def test_resampling_removes_what_the_target_rate_cannot_hold(tmp_path, rate, frequency):
    low, high = tone(rate, 1.5, 1000, level=0.25), tone(rate, 1.5, frequency, level=0.5)
    soundfile.write(tmp_path / "x.wav", low + high, rate, subtype="FLOAT")
    found = spectrum(load_clip(tmp_path / "x.wav", PARAMS).samples)
    assert found.argmax() == 1000
    found[990:1011] = 0
    assert 20 * np.log10(found.max() / 0.5) < -80


# ---- status ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [None, "no such file.wav", "no such folder/x.mp4"])
def test_missing(tmp_path, path):
    assert_without_audio(load_clip(tmp_path / path if path else None, PARAMS), ClipStatus.MISSING)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp4", ".mp3"])
def test_a_file_without_bytes_is_empty(tmp_path, suffix):
    (tmp_path / f"x{suffix}").touch()
    assert_without_audio(load_clip(tmp_path / f"x{suffix}", PARAMS), ClipStatus.EMPTY)


def test_a_file_without_samples_is_empty(tmp_path, write_container):
    soundfile.write(tmp_path / "x.wav", np.zeros((0, 2), np.float32), 16000)
    write_container(tmp_path / "x.mkv", np.zeros((0, 2), np.float32), video=True)
    assert_without_audio(load_clip(tmp_path / "x.wav", PARAMS), ClipStatus.EMPTY)
    assert_without_audio(load_clip(tmp_path / "x.mkv", PARAMS), ClipStatus.EMPTY)


@pytest.fixture
def undecodable(tmp_path, write_container):
    """Return a folder, with a name that is awkward in messages, of files that cannot be decoded."""
    folder = tmp_path / 'it\'s "quoted" \\ ünï\nline'
    folder.mkdir()
    noise = np.random.default_rng(0).bytes(3000)
    for suffix in (".wav", ".flac", ".mp4", ".mp3"):
        (folder / f"noise{suffix}").write_bytes(noise)
    soundfile.write(folder / "x.wav", tone(16000, 1.0), 16000)
    wav = (folder / "x.wav").read_bytes()
    soundfile.write(folder / "x.flac", tone(16000, 1.0), 16000)
    flac = (folder / "x.flac").read_bytes()
    video = write_container(folder / "x.mp4", tone(48000, 1.0, channels=2), video=True).read_bytes()
    (folder / "header.wav").write_bytes(wav[:20])
    (folder / "header.flac").write_bytes(flac[:20])
    (folder / "header.mp4").write_bytes(video[:40])
    (folder / "no moov.mp4").write_bytes(video[: video.index(b"moov") - 4])
    (folder / "unknown codec.mp4").write_bytes(video.replace(b"mp4a", b"none").replace(b"esds", b"none"))
    (folder / "rate.wav").write_bytes(wav[:24] + struct.pack("<I", 0) + wav[28:])
    write_container(folder / "pictures only.mp4", None, video=True)
    (folder / "folder.wav").mkdir()
    (folder / "folder.mp4").mkdir()
    (folder / "text.xyz").write_text("not a sound")
    for name in ("x.wav", "x.flac", "x.mp4"):
        (folder / name).unlink()
    return folder


def test_undecodable(undecodable):
    for path in sorted(undecodable.iterdir()):
        clip = load_clip(path, PARAMS)
        assert clip.status is ClipStatus.UNDECODABLE, path.name
        assert_without_audio(clip, ClipStatus.UNDECODABLE)
        # the same clip has the same reason on every machine
        assert not any(part in clip.detail for part in (str(undecodable.parent), "quoted", path.name)), clip.detail


def test_a_decoder_may_raise_anything(tmp_path, monkeypatch):
    (tmp_path / "x.wav").write_bytes(b"x")

    def fail(*_):
        raise AttributeError("'AudioStream' object has no attribute 'rate'\nmore")

    monkeypatch.setattr("erc_core.speech.audio.decode", fail)
    clip = load_clip(tmp_path / "x.wav", PARAMS)
    assert_without_audio(clip, ClipStatus.UNDECODABLE)
    assert clip.detail == "'AudioStream' object has no attribute 'rate' more"


def test_a_gap_between_time_stamps_does_not_end_decoding(tmp_path, write_container):
    whole, gap = tmp_path / "whole.mkv", tmp_path / "gap.mkv"
    write_container(whole, tone(48000, 1.0, channels=2))
    with av.open(str(whole)) as source, av.open(str(gap), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                late = 1000 if packet.pts > 500 else 0  # ms, the time base of mkv
                packet.pts, packet.dts, packet.stream = packet.pts + late, packet.dts + late, stream
                target.mux(packet)
    expected = load_clip(whole, PARAMS)
    assert len(expected.samples) > 15000
    np.testing.assert_array_equal(load_clip(gap, PARAMS).samples, expected.samples)


@pytest.mark.parametrize("promised", [0x7FFFFFF0, 0xFFFFFFFF])
def test_a_header_that_promises_4_gb_gives_what_is_there(tmp_path, promised):
    soundfile.write(tmp_path / "x.wav", tone(16000, 1.0), 16000)
    data = bytearray((tmp_path / "x.wav").read_bytes())
    data[4:8] = data[40:44] = struct.pack("<I", promised)
    (tmp_path / "x.wav").write_bytes(data)
    clip = load_clip(tmp_path / "x.wav", PARAMS)
    assert (clip.status, clip.seconds, len(clip.samples)) == (ClipStatus.CUT_OFF, 1.0, 16000)
    assert clip.detail == f"the header promises {promised:,} bytes of samples, the file holds 32,000"


def test_a_wav_cut_in_the_middle_gives_what_is_there(tmp_path):
    soundfile.write(tmp_path / "x.wav", tone(16000, 1.0), 16000)
    data = (tmp_path / "x.wav").read_bytes()
    (tmp_path / "x.wav").write_bytes(data[: 44 + 16000])
    clip = load_clip(tmp_path / "x.wav", PARAMS)
    assert (clip.status, clip.seconds, len(clip.samples)) == (ClipStatus.CUT_OFF, 0.5, 8000)
    assert clip.detail == "the header promises 32,000 bytes of samples, the file holds 16,000"


@pytest.mark.parametrize("suffix", [".wav", ".mp4"])
def test_too_short(tmp_path, write_container, suffix):
    path = tmp_path / f"x{suffix}"
    if suffix == ".wav":
        soundfile.write(path, tone(16000, 0.064), 16000)
    else:
        write_container(path, tone(48000, 0.064, channels=2))
    clip = load_clip(path, PARAMS)
    assert_without_audio(clip, ClipStatus.TOO_SHORT)
    assert clip.seconds == pytest.approx(0.064, abs=0.03)
    assert "audio.min_seconds (0.1 s)" in clip.detail


def test_a_clip_of_exactly_the_least_length_is_used(tmp_path):
    soundfile.write(tmp_path / "x.wav", tone(16000, 0.1), 16000)
    assert load_clip(tmp_path / "x.wav", PARAMS).status is ClipStatus.OK


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(tmp_path, value):
    samples = tone(16000, 1.0, channels=2).copy()
    samples[[5, 70], 1] = value
    soundfile.write(tmp_path / "x.wav", samples, 16000, subtype="FLOAT")
    clip = load_clip(tmp_path / "x.wav", PARAMS)
    assert_without_audio(clip, ClipStatus.NOT_FINITE)
    assert clip.detail == "2 of 16000 samples are NaN or infinite"
    # a channel that is not used does not matter
    assert load_clip(tmp_path / "x.wav", changed(PARAMS, downmix="first")).status is ClipStatus.OK


def test_silent(tmp_path):
    for dbfs, status in ((-np.inf, "silent"), (-66.0, "silent"), (-64.0, "ok")):
        level = np.sqrt(2) * 10 ** (dbfs / 20)  # of a sine whose RMS this is
        soundfile.write(tmp_path / "x.wav", tone(16000, 1.0, level=level), 16000, subtype="PCM_24")
        clip = load_clip(tmp_path / "x.wav", PARAMS)
        assert clip.status == status, dbfs
        if status == "silent":
            assert_without_audio(clip, ClipStatus.SILENT)
            assert clip.seconds == 1.0
            assert "audio.silence_dbfs (-65 dBFS)" in clip.detail
    assert load_clip(tmp_path / "x.wav", changed(PARAMS, silence_dbfs=-60.0)).status is ClipStatus.SILENT


def test_only_the_part_that_is_used_has_to_be_loud(tmp_path):
    silence_then_tone = np.concatenate([np.zeros((2 * 16000, 1), np.float32), tone(16000, 1.0)])
    soundfile.write(tmp_path / "x.wav", silence_then_tone, 16000)
    assert load_clip(tmp_path / "x.wav", PARAMS).status is ClipStatus.SILENT


@pytest.mark.parametrize(("suffix", "rate"), [(".wav", 44100), (".flac", 16000), (".mp4", 48000), (".mkv", 48000)])
def test_too_long_is_cut_and_its_length_recorded(tmp_path, write_container, suffix, rate):
    samples = np.concatenate([tone(rate, 2.0, 440), tone(rate, 3.0, 3000)])
    path = tmp_path / f"x{suffix}"
    if suffix in (".wav", ".flac"):
        soundfile.write(path, samples, rate)
    else:
        write_container(path, samples, rate, layout="mono")
    clip = load_clip(path, PARAMS)
    assert clip.status is ClipStatus.TOO_LONG
    assert clip.status.has_audio
    assert len(clip.samples) == 32000
    assert clip.seconds == pytest.approx(5.0, abs=0.05)
    assert clip.detail == "5.0 s, longer than audio.max_seconds (2 s)"
    halves = np.abs(np.fft.rfft(clip.samples.reshape(2, 16000)))
    assert halves.argmax(axis=1).tolist() == [440, 440]  # nothing of what comes later


def test_a_clip_of_exactly_the_greatest_length_is_whole(tmp_path):
    soundfile.write(tmp_path / "x.wav", tone(44100, 2.0), 44100)
    clip = load_clip(tmp_path / "x.wav", PARAMS)
    assert (clip.status, len(clip.samples)) == (ClipStatus.OK, 32000)


# ---- whatever lies in a folder --------------------------------------------------------------------------------------


def assert_judged(path: Path) -> None:
    clip = load_clip(path, PARAMS)
    assert clip.samples.dtype == np.int16
    assert clip.samples.ndim == 1
    assert (len(clip.samples) > 0) == clip.status.has_audio
    assert len(clip.samples) <= 32000
    assert (clip.detail == "") == (clip.status is ClipStatus.OK)
    assert "\n" not in clip.detail
    assert str(path.parent) not in clip.detail
    assert clip.seconds >= 0


@settings(deadline=None, max_examples=100)
@given(content=st.binary(max_size=300), suffix=st.sampled_from([".wav", ".flac", ".mp4", ".mp3", ".ogg"]))
def test_random_bytes_never_raise(tmp_path_factory, content, suffix):
    path = tmp_path_factory.getbasetemp() / f"random{suffix}"
    path.write_bytes(content)
    assert_judged(path)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory, write_container) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("healthy")
    soundfile.write(folder / "x.wav", tone(22050, 0.3, channels=6), 22050, format="WAVEX", subtype="FLOAT")
    soundfile.write(folder / "x.flac", tone(22050, 0.3, channels=2), 22050)
    write_container(folder / "x.mp4", tone(48000, 0.3, channels=2), video=True)
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


@settings(deadline=None, max_examples=200)
@given(data=st.data(), suffix=st.sampled_from([".wav", ".flac", ".mp4"]))
def test_damaged_headers_never_raise(tmp_path_factory, healthy, data, suffix):
    content = bytearray(healthy[suffix])
    # an mp4 keeps its index at the end, the others keep their header at the beginning
    first, last = (content.index(b"moov"), len(content) - 5) if suffix == ".mp4" else (0, 120)
    places = data.draw(st.lists(st.integers(first, last), min_size=1, max_size=6))
    for place in places:
        new = data.draw(
            st.sampled_from([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f"]) | st.binary(min_size=1, max_size=4)
        )
        content[place : place + len(new)] = new
    path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    path.write_bytes(content)
    assert_judged(path)
