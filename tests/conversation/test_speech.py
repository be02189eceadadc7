"""Stretches of recordings against the samples that they are cut from."""

import math

import av
import numpy as np
import polars as pl
import pytest
import soundfile
from made_up_model import PARAMS, speech

from erc_core.conversation.segments import Conversation
from erc_core.conversation.speech import Recording, SpeechReader
from erc_core.speech.audio import prepare_clip
from erc_core.speech.decoding import files
from erc_core.speech.decoding.sound import Sound

RATE = 16000
AUDIO = PARAMS.audio


@pytest.fixture
def recording(tmp_path):
    samples = speech(30.0)
    soundfile.write(tmp_path / "talk.wav", samples, RATE, subtype="FLOAT")
    return tmp_path / "talk.wav", samples


def read(path, *times):
    """Return the clips and statuses of stretches, in the order asked for."""
    conversation = Conversation.of([{"audio": str(path), "start": start, "end": end} for start, end in times])
    found = {}
    with SpeechReader(conversation, AUDIO) as reader:
        for row in conversation.order_of_work():
            found[int(row)] = reader.clip(int(row))
    return [found[row] for row in range(len(times))]


def expected(samples, start, end):
    cut = samples[round(start * RATE) : round(end * RATE)]
    return prepare_clip(Sound(cut[:, None], RATE, len(cut) / RATE), AUDIO).samples


def test_stretches_in_any_order_are_cut_where_their_times_say(recording):
    path, samples = recording
    rng = np.random.default_rng(0)
    times = [
        (start, start + length) for start, length in zip(rng.uniform(0, 24, 40), rng.uniform(0.2, 5, 40), strict=True)
    ]
    for (start, end), (clip, _) in zip(times, read(path, *times), strict=True):
        assert np.array_equal(clip.samples, expected(samples, start, end))
        assert clip.seconds == pytest.approx(end - start, abs=1e-3)


def test_small_blocks_change_nothing(recording, monkeypatch):
    path, samples = recording
    monkeypatch.setattr(files, "BLOCK_VALUES", 7000)
    for (start, end), (clip, _) in zip(times := [(0, 1), (0.9, 9), (3, 4), (29, 30)], read(path, *times), strict=True):
        assert np.array_equal(clip.samples, expected(samples, start, end))


def test_no_more_is_held_than_a_stretch_and_a_block(recording, monkeypatch):
    path, _ = recording
    monkeypatch.setattr(files, "BLOCK_VALUES", 8000)
    opened = Recording(path, "center")
    for start in np.arange(0, 29, 0.25):
        opened.read(start, start + 1)
        assert sum(map(len, opened._held)) <= RATE + 2 * 8000
    opened.close()


def test_a_compressed_recording_is_cut_where_the_whole_file_would_be(tmp_path):
    with av.open(str(tmp_path / "talk.mp3"), "w") as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(speech(8.0)[None], format="fltp", layout="mono")
        frame.sample_rate = RATE
        for part in av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=RATE).resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode())
    whole = files.decode(tmp_path / "talk.mp3", 100, "center").samples[:, 0]
    for (start, end), (clip, _) in zip(
        times := [(1, 2.5), (2, 4), (6, 7.9)], read(tmp_path / "talk.mp3", *times), strict=True
    ):
        assert np.array_equal(clip.samples, expected(whole, start, end))


@pytest.mark.parametrize(
    ("start", "end", "status", "words"),
    [
        (5, 4, "backwards", "ends at 4 s, before it begins at 5 s"),
        (-3, -1, "outside", "before the beginning"),
        (1e305, 1e306, "outside", "the recording is 30.00 s long"),
        (-1e306, 1, "cut_off", "before the recording"),
        (0, 1e300, "too_long", "longer than audio.max_seconds"),
        (40, 41, "outside", "begins at 40 s; the recording is 30.00 s long"),
        (1e300, math.inf, "outside", "the recording is 30.00 s long"),
        (28, 35, "cut_off", "ends at 35 s; the recording is 30.00 s long"),
        (28, 30.3, "ok", ""),
        (-0.2, 1, "ok", ""),
        (-2, 1, "cut_off", "begins at -2 s, before the recording"),
        (3, 3, "too_short", "0.000 s"),
        (3, 3.02, "too_short", "shorter than audio.min_seconds"),
        (2, 29, "too_long", "longer than audio.max_seconds"),
        (2, None, "too_long", "longer than audio.max_seconds"),
        (25, None, "ok", ""),
        (None, 2, "ok", ""),
        (math.nan, 2, "ok", ""),
        (-math.inf, 2, "ok", ""),
    ],
)
def test_times_that_are_not_ordinary_are_a_status(recording, start, end, status, words):
    ((clip, found),) = read(recording[0], (start, end))
    assert found.value == status
    assert words in clip.detail
    assert (len(clip.samples) > 0) == (status in ("ok", "cut_off", "too_long"))


def test_utterances_at_the_same_time_are_marked_and_used(recording):
    found = read(recording[0], (0, 2), (1.9, 3), (3, 4), (3.99, 5), (10, 15), (11, 12), (13, 14), (16, 17))
    statuses = ["overlapping", "overlapping", "ok", "ok", "overlapping", "overlapping", "overlapping", "ok"]
    assert [status.value for _, status in found] == statuses
    assert all(len(clip.samples) for clip, _ in found)


def test_a_recording_that_cannot_be_read_costs_its_utterances_their_speech_alone(tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF nothing at all")
    for name, status in (("broken.wav", "undecodable"), ("absent.wav", "missing")):
        found = read(tmp_path / name, (0, 1), (1, 2))
        assert [one.value for _, one in found] == [status] * 2
        assert not any(len(clip.samples) for clip, _ in found)


def test_a_recording_that_breaks_off_keeps_what_comes_before(tmp_path):
    soundfile.write(tmp_path / "talk.flac", speech(30.0), RATE)
    content = (tmp_path / "talk.flac").read_bytes()
    (tmp_path / "talk.flac").write_bytes(content[: len(content) // 2])
    (early, ok), (late, outside) = read(tmp_path / "talk.flac", (1, 2), (28, 29))
    assert (ok.value, outside.value) == ("ok", "outside")
    whole = files.decode(tmp_path / "talk.flac", 100, "center").samples[:, 0]
    assert np.array_equal(early.samples, expected(whole, 1, 2))
    assert len(late.samples) == 0


PIP = 500  # Hz of the first


def _pips(path, codec, rate=RATE):
    """Write half a minute with a short tone at each full second, each higher than the one before."""
    time = np.arange(30 * rate) / rate
    samples = 0.02 * np.random.default_rng(0).standard_normal(30 * rate)
    for second in range(30):
        samples[second * rate :][: rate // 20] += 0.6 * np.sin(2 * np.pi * (PIP + 40 * second) * time[: rate // 20])
    frame = av.AudioFrame.from_ndarray(samples.astype(np.float32)[None], format="fltp", layout="mono")
    frame.sample_rate = rate
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        context = stream.codec_context
        made = av.AudioResampler(context.format, "mono", rate, frame_size=context.frame_size or 1024)
        for part in [*made.resample(frame), *made.resample(None), None]:
            container.mux(stream.encode(part))


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("t.mp3", "libmp3lame"),
        ("t.ogg", "libopus"),
        ("t.webm", "libopus"),
        ("t.m4a", "aac"),
        ("t.ts", "aac"),
        ("t.flac", "flac"),
    ],
)
@pytest.mark.parametrize("damaged", ["300 bytes", "a tenth"])
def test_what_comes_after_damage_lies_where_its_times_say(tmp_path, name, codec, damaged):
    rate = 48000 if codec == "libopus" else RATE
    _pips(tmp_path / name, codec, rate)
    content = bytearray((tmp_path / name).read_bytes())
    first, length = len(content) * 4 // 10, 300 if damaged == "300 bytes" else len(content) // 10
    content[first : first + length] = np.random.default_rng(1).bytes(length)
    (tmp_path / name).write_bytes(content)
    times = [(second - 0.5, second + 0.5) for second in range(1, 29)]
    found = read(tmp_path / name, *times)
    statuses = [status.value for _, status in found]
    hurt = [second for second, status in zip(range(1, 29), statuses, strict=True) if status != "ok"]
    assert hurt
    assert set(hurt) < set(range(9, 18))
    assert hurt == list(range(hurt[0], hurt[-1] + 1))
    assert set(statuses) <= {"ok", "damaged", "undecodable"}
    assert all("cannot be decoded" in clip.detail for clip, status in found if status.value != "ok")
    for second, (clip, status) in enumerate(found, start=1):
        if status.value == "ok":
            where = np.abs(np.correlate(clip.samples[:16000], _tone(second), "valid")).argmax() / RATE
            assert where == pytest.approx(0.5, abs=0.08)


def _tone(second):
    return np.exp(2j * np.pi * (PIP + 40 * second) * np.arange(800) / RATE)


def test_several_recordings_are_each_read_once(tmp_path, monkeypatch):
    opened = []
    original = Recording.__init__
    monkeypatch.setattr(
        Recording, "__init__", lambda self, path, how: (opened.append(path.name), original(self, path, how))[1]
    )
    for name, seed in (("a.wav", 1), ("b.wav", 2)):
        soundfile.write(tmp_path / name, speech(5, seed=seed), RATE)
    rows = [
        {"audio": str(tmp_path / name), "start": start, "end": start + 1}
        for start in (3, 0, 1)
        for name in ("b.wav", "a.wav")
    ]
    conversation = Conversation.of(pl.DataFrame(rows))
    with SpeechReader(conversation, AUDIO) as reader:
        for row in conversation.order_of_work():
            assert reader.clip(int(row))[1].value == "ok"
    assert opened == ["b.wav", "a.wav"]


def test_a_recording_of_two_spellings_is_one(recording):
    path, samples = recording
    other = path.parent / ".." / path.parent.name / path.name
    rows = [{"audio": str(path if row % 2 else other), "start": row, "end": row + 1.5} for row in range(5)]
    conversation = Conversation.of([*rows, {"audio": "absent.wav"}])
    assert list(conversation.overlapping) == [True] * 5 + [False]
    with SpeechReader(conversation, AUDIO) as reader:
        found = {int(row): reader.clip(int(row)) for row in conversation.order_of_work()}
    assert all(np.array_equal(found[row][0].samples, expected(samples, row, row + 1.5)) for row in range(5))
    assert (found[5][0].status.value, found[5][0].detail) == ("missing", "no such file")


@pytest.mark.parametrize("times", [{}, {"start": 0.0, "end": 1.0}], ids=["clip", "stretch"])
@pytest.mark.parametrize("name", ["x" * 5000 + ".wav", "a\0b.wav"], ids=["too long", "zero byte"])
def test_a_name_that_no_file_can_have_costs_its_row_the_speech_alone(name, times):
    conversation = Conversation.of([{"text": "hello", "audio": name, **times}])
    assert not conversation.overlapping.any()
    with SpeechReader(conversation, AUDIO) as reader:
        ((clip, status),) = (reader.clip(int(row)) for row in conversation.order_of_work())
    assert status.value in ("missing", "undecodable")
    assert len(clip.samples) == 0
