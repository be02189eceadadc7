import numpy as np
import pytest

from erc_core.corpora.demo.prosody import PROSODIES, Manner, Speaker, draw_manner

LOW = Speaker("Low", "m1", rate=170, pitch=40)
HIGH = Speaker("High", "f1", rate=200, pitch=60)


def draw(prosody: str, speaker: Speaker, n: int = 500) -> np.ndarray:
    rng = np.random.default_rng(0)
    manners = [draw_manner(prosody, speaker, rng) for _ in range(n)]
    return np.array([(m.rate, m.pitch, m.pitch_range, m.volume) for m in manners])


@pytest.mark.parametrize("prosody", PROSODIES)
def test_a_manner_is_within_what_espeak_takes(prosody):
    for speaker in (Speaker("a", "m1", rate=20, pitch=0), Speaker("b", "f1", rate=900, pitch=99)):
        values = draw(prosody, speaker)
        assert (values >= (80, 0, 0, 1)).all()
        assert (values <= (450, 99, 99, 200)).all()


@pytest.mark.parametrize("prosody", PROSODIES)
def test_rate_and_pitch_are_relative_to_the_speaker(prosody):
    low, high = draw(prosody, LOW).mean(0), draw(prosody, HIGH).mean(0)
    assert high[0] / low[0] == pytest.approx(200 / 170, abs=0.02)
    assert high[1] - low[1] == pytest.approx(20, abs=2)


def test_the_ways_of_speaking_are_what_their_names_say():
    even, lively, deadpan, trembling = (draw(prosody, LOW).mean(0) for prosody in PROSODIES)
    assert (lively > even).all()
    assert (deadpan < even).all()
    assert (trembling[:2] > even[:2]).all()
    assert (trembling[2:] < even[2:]).all()


def test_neighbouring_ways_overlap():
    even, lively = draw("even", LOW), draw("lively", LOW)
    assert (even.max(0) > lively.min(0))[:3].all()  # rate, pitch and its range; how loud tells them apart


def test_the_same_generator_draws_the_same_manner():
    first = draw_manner("even", LOW, np.random.default_rng(3))
    assert first == draw_manner("even", LOW, np.random.default_rng(3))
    assert isinstance(first, Manner)
