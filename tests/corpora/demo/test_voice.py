import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from erc_core.corpora.demo.prosody import Manner
from erc_core.corpora.demo.script import SPEAKERS
from erc_core.corpora.demo.voice import SAMPLE_RATE, Voice
from erc_core.errors import ErcError

NORMAL = Manner(rate=180, pitch=50, pitch_range=50, volume=70)
TEXT = "Honestly, you're so happy about the naïve café."


@pytest.fixture
def voice() -> Voice:
    pytest.importorskip("espeakng_loader")
    return Voice()


def test_speech_has_a_length_and_a_level_of_speech(voice):
    speech = voice.speak(TEXT, "f1", NORMAL)
    assert speech.dtype == np.int16
    assert 1.5 < len(speech) / SAMPLE_RATE < 5
    assert 1000 < np.abs(speech.astype(int)).max() < 32000


@pytest.mark.parametrize("speaker", SPEAKERS, ids=lambda speaker: speaker.name)
def test_an_utterance_sounds_the_same_whatever_was_spoken_before(voice, speaker):
    first = voice.speak(TEXT, speaker.voice, NORMAL)
    for other in SPEAKERS[:3]:
        voice.speak("Well, the piano blew up in my face!", other.voice, Manner(250, 80, 90, 110))
    assert (voice.speak(TEXT, speaker.voice, NORMAL) == first).all()


def test_an_utterance_sounds_the_same_in_another_process(voice):
    program = (
        "import sys, hashlib\n"
        "from erc_core.corpora.demo.voice import Voice\n"
        "from erc_core.corpora.demo.prosody import Manner\n"
        f"speech = Voice().speak({TEXT!r}, 'f1', Manner(180, 50, 50, 70))\n"
        "sys.stdout.write(hashlib.sha256(speech.tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert other.stdout == hashlib.sha256(voice.speak(TEXT, "f1", NORMAL).tobytes()).hexdigest()


def test_every_speaker_has_another_voice(voice):
    # eSpeak takes an unknown variant for none at all, without a word
    spoken = {voice.speak(TEXT, variant, NORMAL).tobytes() for variant in [*(s.voice for s in SPEAKERS), "unknown"]}
    assert len(spoken) == len(SPEAKERS) + 1


def test_the_manner_is_heard(voice):
    normal = voice.speak(TEXT, "m3", NORMAL)
    fast = voice.speak(TEXT, "m3", Manner(260, 50, 50, 70))
    loud = voice.speak(TEXT, "m3", Manner(180, 50, 50, 110))
    high = voice.speak(TEXT, "m3", Manner(180, 80, 50, 70))
    assert len(fast) < 0.8 * len(normal)
    assert loud.astype(float).std() > 1.3 * normal.astype(float).std()
    assert pitch_of(high) > 1.2 * pitch_of(normal)


def pitch_of(speech: np.ndarray) -> float:
    """Return the median fundamental frequency of the loud frames, Hz, by autocorrelation."""
    frames = np.lib.stride_tricks.sliding_window_view(speech.astype(float), 1024)[::512]
    loud = frames[frames.std(axis=1) > speech.std()]
    power = np.abs(np.fft.rfft(loud, 2048)) ** 2
    shortest = SAMPLE_RATE // 400
    lags = np.fft.irfft(power)[:, shortest : SAMPLE_RATE // 60].argmax(axis=1) + shortest
    return SAMPLE_RATE / float(np.median(lags))


def test_silence_is_an_error(voice):
    with pytest.raises(ErcError, match="no sound"):
        voice.speak("", "f1", NORMAL)


def test_what_the_library_prints_goes_nowhere_and_later_output_does_not(voice, capfd):
    with voice._library():
        os.write(1, b"noise")
        os.write(2, b"noise")
    print("after")
    captured = capfd.readouterr()
    assert captured.out == "after\n"
    assert captured.err == ""


def test_no_file_descriptors_are_left_open(voice):
    def next_descriptor() -> int:
        descriptor = os.open(os.devnull, os.O_RDONLY)
        os.close(descriptor)
        return descriptor

    voice.speak(TEXT, "f1", NORMAL)
    before = next_descriptor()
    for _ in range(5):
        voice.speak(TEXT, "f1", NORMAL)
    assert next_descriptor() == before


def test_the_missing_extra_is_told_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(ErcError, match=r'espeakng-loader is not installed.*pip install "erc-core\[demo\]"') as caught:
        Voice()
    assert "\n" not in str(caught.value)
    assert 'pip install -e ".[demo]"' in str(caught.value)


@pytest.mark.parametrize("name", ["_library_path", "_data_path"])
def test_a_library_or_data_that_are_not_there_are_told(voice, monkeypatch, tmp_path, name):
    monkeypatch.setattr(voice, name, str(tmp_path / "nothing"))
    with pytest.raises(ErcError, match="nothing"):
        voice.speak(TEXT, "f1", NORMAL)
