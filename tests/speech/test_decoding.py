"""Decoding by content: channels by name, damage that is kept and told, scripts that are not followed, memory that stays flat."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from closure import ROOT

from erc_core.params.data import AudioParams
from erc_core.speech.audio import Clip, load_clip
from erc_core.speech.decoding.sound import center_of
from erc_core.store.clips import ClipStatus

PARAMS = AudioParams(sample_rate=16000, downmix="center", min_seconds=0.1, max_seconds=20.0, silence_dbfs=-65.0)
TONES = [500, 700, 1100, 60, 1700, 2300, 2900, 3500]  # Hz, of the channels in FFmpeg's order: the third is the centre
CENTER = 1100
LAYOUTS = {"3.0": 3, "5.0": 5, "5.1": 6, "7.1": 8}
CODECS = {
    "wav": "pcm_s16le", "w64": "pcm_s16le", "flac": "flac", "opus": "libopus", "mp4": "aac",
    "mkv": "aac", "mka": "pcm_s16le", "webm": "libopus", "ac3": "ac3", "aiff": "pcm_s16be", "caf": "pcm_s16be",
    "mp3": "libmp3lame", "aac": "aac", "avi": "libmp3lame",
}  # fmt: skip
VORBIS = {
    3: [0, 2, 1],
    5: [0, 2, 1, 3, 4],
    6: [0, 2, 1, 4, 5, 3],
    8: [0, 2, 1, 6, 7, 4, 5, 3],
}  # its own order of channels
FORMATS = {"mkv": "matroska", "mka": "matroska", "aac": "adts"}
CUT = ("flac", "mp3", "ogg", "opus", "webm", "mkv", "mp4", "aac", "avi", "caf", "aiff", "w64", "wav")


def write(path: Path, layout: str, seconds: float = 2.0, rate: int = 48000) -> Path:
    """Write another tone in each channel, with FFmpeg."""
    suffix = path.suffix[1:]
    channels = {"mono": 1, "stereo": 2}.get(layout) or LAYOUTS[layout]
    time = np.arange(round(seconds * rate)) / rate
    waves = np.stack([0.3 * np.sin(2 * np.pi * tone * time) for tone in TONES[:channels]]).astype(np.float32)
    if suffix == "ogg":
        soundfile.write(path, waves[VORBIS.get(channels, slice(None))].T, rate, format="OGG", subtype="VORBIS")
        return path
    options = {"movflags": "+faststart"} if suffix == "mp4" else {}
    with av.open(str(path), "w", format=FORMATS.get(suffix, suffix), options=options) as file:
        stream = file.add_stream(CODECS[suffix], rate=rate, layout=layout)
        if channels > 2 and CODECS[suffix] == "libopus":
            stream.codec_context.options = {"mapping_family": "1"}
        for start in range(0, waves.shape[1], 960):
            block = waves[:, start : start + 960].T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="flt", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def pitch(clip: Clip) -> int:
    """Return the loudest frequency of one second in the middle, Hz."""
    assert len(clip.samples) >= 20000, clip
    return int(np.abs(np.fft.rfft(clip.samples[4000:20000] * np.hanning(16000))).argmax())


def load_apart(*paths: Path) -> str:
    """Load clips in another process, which FFmpeg's wrapper could end, and return their statuses and pitches."""
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, 'tests/speech')\n"
        "from test_decoding import PARAMS, load_clip, pitch\n"
        "for path in sys.argv[1:]:\n"
        "    clip = load_clip(Path(path), PARAMS)\n"
        "    print(clip.status, pitch(clip) if clip.status.has_audio else clip.detail)\n"
    )
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT}/tests", "PATH": "/usr/bin:/bin"}
    call = [sys.executable, "-c", code, *map(str, paths)]
    return subprocess.run(call, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


# ---- the centre, by the layout's name -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "suffix", ["wav", "w64", "flac", "ogg", "opus", "mp4", "mkv", "mka", "webm", "ac3", "aiff", "caf"]
)
@pytest.mark.parametrize("layout", ["3.0", "5.0", "5.1"])
def test_the_centre_is_found_in_every_format(tmp_path, suffix, layout):
    clip = load_clip(write(tmp_path / f"x.{suffix}", layout), PARAMS)
    assert (clip.status, pitch(clip)) == (ClipStatus.OK, CENTER)


def test_eight_channels_do_not_end_the_process(tmp_path):
    suffixes = ("wav", "flac", "ogg", "opus", "mp4", "mkv", "mka")
    loaded = load_apart(*(write(tmp_path / f"x.{suffix}", "7.1") for suffix in suffixes))
    assert loaded.splitlines() == [f"ok {CENTER}"] * len(suffixes)


def test_a_layout_without_a_name_is_read_as_flac_and_vorbis_do():
    found = {channels: center_of(channels, ("NONE",) * channels) for channels in range(1, 11)}
    assert found == {1: None, 2: None, 3: 2, 4: None, 5: 2, 6: 2, 7: 2, 8: 2, 9: None, 10: None}
    assert center_of(3, ("FL", "FR", "LFE")) is None
    assert center_of(4, ("FL", "FR", "FC", "BC")) == 2


def test_a_name_is_believed_more_than_the_number(tmp_path):
    """4.0 has a centre, 2.1 has none, whatever usual layouts of so many channels have."""
    path = write(tmp_path / "x.wav", "3.0")
    content = bytearray(path.read_bytes())
    content[40:44] = (0b1011).to_bytes(4, "little")  # the mask of channels: left, right, low frequencies
    path.write_bytes(content)
    clip = load_clip(path, PARAMS)
    found = np.abs(np.fft.rfft(clip.samples[4000:20000] * np.hanning(16000)))
    assert found[TONES[0]] == pytest.approx(found[TONES[2]], rel=0.01)  # the mean


# ---- content against suffix -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "name"),
    [("mp4", "x.wav"), ("aac", "x.wav"), ("wav", "x.mp4"), ("ogg", "x.wav"), ("mp3", "x.wav"), ("flac", "x.ogg"),
     ("webm", "x.mp3"), ("wav", "x.raw"), ("wav", "x")],
)  # fmt: skip
def test_a_clip_is_read_by_its_content(tmp_path, content, name):
    right = write(tmp_path / f"right.{content}", "stereo")
    expected = load_clip(right, PARAMS)
    assert expected.status is ClipStatus.OK
    clip = load_clip(right.rename(tmp_path / name), PARAMS)
    assert (clip.status, clip.seconds) == (ClipStatus.OK, expected.seconds)
    assert np.array_equal(clip.samples, expected.samples)


def test_flac_in_ogg(tmp_path):
    path = tmp_path / "x.ogg"
    time = np.arange(32000) / 16000
    with av.open(str(path), "w") as file:
        stream = file.add_stream("flac", rate=16000, layout="mono")
        wave = np.rint(9000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    clip = load_clip(path, PARAMS)
    assert (clip.status, clip.detail, clip.seconds) == (ClipStatus.OK, "", 2.0)
    assert np.array_equal(clip.samples, wave[0])


# ---- damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", CUT)
def test_a_cut_clip_is_kept_as_far_as_it_goes_in_every_format(tmp_path, suffix):
    path = write(tmp_path / f"x.{suffix}", "stereo", seconds=8.0)
    whole = load_clip(path, PARAMS)
    assert (whole.status, whole.detail) == (ClipStatus.OK, "")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    clip = load_clip(path, PARAMS)
    assert (clip.status, bool(clip.detail)) == (ClipStatus.CUT_OFF, True)
    assert 3.5 < clip.seconds < 5.5
    assert len(clip.samples) == pytest.approx(clip.seconds * 16000, abs=2)


@pytest.mark.parametrize("suffix", ["flac", "mp3", "ogg", "opus", "mkv", "mp4", "aac", "ac3"])
def test_bad_bytes_cost_what_they_hit_and_are_told(tmp_path, suffix):
    path = write(tmp_path / f"x.{suffix}", "stereo", seconds=8.0)
    content = bytearray(path.read_bytes())
    start = len(content) * 4 // 10
    content[start : start + 200] = np.random.default_rng(1).bytes(200)
    path.write_bytes(content)
    clip = load_clip(path, PARAMS)
    assert (clip.status, bool(clip.detail)) == (ClipStatus.DAMAGED, True)
    assert clip.status.has_audio
    assert 4 < clip.seconds <= 8.1


def test_noise_of_which_a_little_decodes_is_no_speech(tmp_path):
    path = write(tmp_path / "x.mp4", "stereo", seconds=4.0)
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    content[start:] = np.random.default_rng(2).bytes(len(content) - start)
    path.write_bytes(content)
    assert load_clip(path, PARAMS).status is ClipStatus.UNDECODABLE


def test_an_mp3_that_does_not_tell_its_length_is_not_called_cut_off(tmp_path):
    path = tmp_path / "x.mp3"
    with av.open(str(path), "w", options={"write_xing": "0"}) as file:
        stream = file.add_stream("libmp3lame", rate=16000, layout="mono")
        loud = np.random.default_rng(0).uniform(-0.5, 0.5, 32000).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.concatenate([0 * loud, loud])[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    clip = load_clip(path, PARAMS)
    assert (clip.status, clip.seconds) == (ClipStatus.OK, pytest.approx(4.0, abs=0.15))


# ---- scripts --------------------------------------------------------------------------------------------------------

SCRIPTS = {
    "concat": "ffconcat version 1.0\nfile inside/secret.wav\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:8,\ninside/secret.wav\n#EXT-X-ENDLIST\n",
    "net": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:8,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "pls": "[playlist]\nFile1=inside/secret.wav\n",
    "rtsp": "RTSPtext\r\nhttp://127.0.0.1:9/x",
}


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("suffix", ["mp4", "wav", "m3u8", "ffconcat", "sdp"])
def test_a_script_is_not_followed(tmp_path, monkeypatch, script, suffix):
    outside = tmp_path / "outside"
    outside.mkdir()
    write(outside / "secret.wav", "mono")
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "inside").symlink_to(outside)
    (raw / f"x.{suffix}").write_text(SCRIPTS[script])
    monkeypatch.chdir(raw)
    for path in (raw / f"x.{suffix}", Path(f"x.{suffix}")):
        clip = load_clip(path, PARAMS)
        assert (clip.status, len(clip.samples)) == (ClipStatus.UNDECODABLE, 0)


def test_a_name_that_looks_like_a_protocol_is_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.mp4", "mono").rename(tmp_path / "concat:b.mp4")
    assert load_clip(Path("concat:b.mp4"), PARAMS).status is ClipStatus.OK


# ---- memory ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_64_channels_at_192_khz_take_little_memory(tmp_path):
    path = tmp_path / "x.wav"
    with soundfile.SoundFile(path, "w", 192000, 64, subtype="PCM_16") as file:
        for _ in range(20):
            file.write(np.full((96000, 64), 0.1, np.float32))
    tracemalloc.start()
    try:
        assert load_clip(path, PARAMS).status is ClipStatus.OK
        assert tracemalloc.get_traced_memory()[1] < 150 * 2**20  # bytes; about a gigabyte, if all channels are held
    finally:
        tracemalloc.stop()
