import base64
import io
import math

import numpy as np
import pytest
import soundfile
from made_up_answers import answered, write_sound

from erc_core.answers.page.sound import Sounds


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("rec.wav", "../rec.wav"),
        ("a #1?%.wav", "../a%20%231%3F%25.wav"),
        ("javascript:alert(1).wav", "../javascript%3Aalert%281%29.wav"),
        ("déjà.wav", "../d%C3%A9j%C3%A0.wav"),
    ],
)
def test_links_are_relative_and_quoted(name, url, tmp_path):
    sounds = Sounds(answered(1, recording=tmp_path / name), tmp_path / "out", embed=False)
    assert [source.url for source in sounds.sources] == [url]


def test_a_link_beside_the_page_is_no_scheme(tmp_path):
    sounds = Sounds(answered(1, recording=tmp_path / "javascript:1.wav"), tmp_path, embed=False)
    assert sounds.sources[0].url == "javascript%3A1.wav"


def test_each_file_is_one_source(tmp_path):
    clips = [str(tmp_path / name) for name in ("a.wav", "b.wav", "a.wav", "c.wma")]
    given = answered(6, timed=False, audio=[*clips, str(tmp_path / "gone.wav"), None], status={4: "missing"})
    sounds = Sounds(given, tmp_path, embed=False)
    assert [source.url for source in sounds.sources] == ["a.wav", "b.wav", "c.wma"]
    assert [sounds.source_of(one) for one in given.utterances] == [0, 1, 0, None, None, None]


def test_an_utterance_without_times_is_no_stretch_of_the_recording(tmp_path):
    given = answered(2, recording=tmp_path / "a.wav", start={1: None})
    assert [Sounds(given, tmp_path, embed=False).source_of(one) for one in given.utterances] == [0, None]


@pytest.mark.parametrize("rate", [8000, 44100])
def test_embedded_sound_is_the_recording_s_at_the_same_time(rate, tmp_path):
    path = write_sound(tmp_path / "rec.flac", 5, rate)  # 200 Hz in the first second, 20 Hz more in each
    sounds = Sounds(answered(1, recording=path), tmp_path, embed=True)
    head, content = sounds.sources[0].url.split(",")
    assert head == "data:audio/mpeg;base64"
    samples, sample_rate = soundfile.read(io.BytesIO(base64.b64decode(content)))
    assert samples.shape == (len(samples),)
    assert len(samples) / sample_rate == pytest.approx(5, abs=0.1)
    for second in range(5):
        part = samples[int((second + 0.3) * sample_rate) : int((second + 0.8) * sample_rate)]
        loudest = np.abs(np.fft.rfft(part)).argmax() / 0.5
        assert math.isclose(loudest, 200 + 20 * second, abs_tol=4)


def test_of_a_damaged_recording_the_rest_is_embedded(tmp_path):
    path = write_sound(tmp_path / "rec.mp3", 20)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 500] = b"\x00" * 500
    path.write_bytes(content)
    url = Sounds(answered(1, recording=path), tmp_path, embed=True).sources[0].url
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(url.split(",")[1])))
    assert 18 < len(samples) / rate < 20.2
