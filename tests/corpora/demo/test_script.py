from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from erc_core.corpora.demo.grammar import WORD_SETS
from erc_core.corpora.demo.prosody import PROSODIES
from erc_core.corpora.demo.script import (
    CELLS,
    EMOTION_WEIGHTS,
    EMOTIONS,
    PROSODY_WEIGHTS,
    SPEAKERS,
    WORDS_WEIGHTS,
    ensure_every_emotion,
    write_script,
)


@pytest.fixture(scope="module")
def large(demo_params):
    return write_script(demo_params(train=1500, dev=1, test=1))


@pytest.fixture(scope="module")
def turns(large):
    return [turn for dialogue in large for turn in dialogue.turns]


def accuracy_of_best_guess(cues, emotions) -> float:
    """Return the accuracy of a classifier that knows the cues and the frequencies."""
    counts = Counter(zip(cues, emotions, strict=True))
    return sum(max(counts[cue, emotion] for emotion in EMOTIONS) for cue in set(cues)) / len(cues)


def test_the_table_has_every_pair_once_and_is_as_uneven_as_real_corpora():
    pairs = [cell for cells in CELLS.values() for cell in cells]
    assert sorted(pairs) == sorted((words, prosody) for words in WORD_SETS for prosody in PROSODIES)
    assert sum(EMOTION_WEIGHTS.values()) == pytest.approx(100)
    assert sum(WORDS_WEIGHTS.values()) == pytest.approx(100)
    assert sum(PROSODY_WEIGHTS.values()) == pytest.approx(100)
    assert max(EMOTION_WEIGHTS, key=EMOTION_WEIGHTS.__getitem__) == "neutral"
    assert all(2.5 <= EMOTION_WEIGHTS[rare] <= 3 for rare in ("disgust", "fear"))  # as in MELD


def test_joy_and_anger_are_an_exclusive_or_of_words_and_prosody():
    emotion_of = {cell: emotion for emotion, cells in CELLS.items() for cell in cells}
    square = [[emotion_of[words, prosody] for prosody in ("lively", "deadpan")] for words in ("glad", "rude")]
    assert square == [["joy", "anger"], ["anger", "joy"]]
    # words mean what they say more often than not: with no lean at all, an exclusive-or is learned very late
    plain = CELLS["joy"]["glad", "lively"] + CELLS["anger"]["rude", "lively"]
    turned = CELLS["joy"]["rude", "deadpan"] + CELLS["anger"]["glad", "deadpan"]
    assert 1.5 < plain / turned < 1.8


def test_the_emotions_have_their_frequencies(turns):
    counts = Counter(turn.emotion for turn in turns)
    for emotion, weight in EMOTION_WEIGHTS.items():
        assert 100 * counts[emotion] / len(turns) == pytest.approx(weight, abs=0.6 + 0.04 * weight)


def test_words_and_prosody_have_their_frequencies(turns):
    words, prosody = Counter(turn.words for turn in turns), Counter(turn.prosody for turn in turns)
    for counts, weights in ((words, WORDS_WEIGHTS), (prosody, PROSODY_WEIGHTS)):
        for name, weight in weights.items():
            assert 100 * counts[name] / len(turns) == pytest.approx(weight, abs=2)


@pytest.mark.parametrize("persistence", [0.0, 0.35, 0.8])
def test_a_turn_keeps_the_emotion_of_the_turn_before_it(demo_params, persistence):
    script = write_script(demo_params(train=600, persistence=persistence))
    neighbours = [pair for dialogue in script for pair in pairwise(turn.emotion for turn in dialogue.turns)]
    by_chance = sum((weight / 100) ** 2 for weight in EMOTION_WEIGHTS.values())
    expected = persistence + (1 - persistence) * by_chance
    assert np.mean([first == second for first, second in neighbours]) == pytest.approx(expected, abs=0.03)


def test_one_modality_alone_cannot_tell_the_emotion_and_the_pair_can(turns):
    emotions = [turn.emotion for turn in turns]
    text = accuracy_of_best_guess([turn.words for turn in turns], emotions)
    speech = accuracy_of_best_guess([turn.prosody for turn in turns], emotions)
    pair = accuracy_of_best_guess([(turn.words, turn.prosody) for turn in turns], emotions)
    assert 0.5 < text < 0.65
    assert 0.5 < speech < 0.65
    assert pair > 0.9


def test_without_noise_the_pair_decides(demo_params):
    script = write_script(demo_params(train=100, word_noise=0.0, prosody_noise=0.0))
    assert all((turn.words, turn.prosody) in CELLS[turn.emotion] for dialogue in script for turn in dialogue.turns)


@pytest.mark.parametrize("seed", range(20))
def test_every_split_holds_every_emotion(demo_params, seed):
    script = write_script(demo_params(train=4, dev=1, test=1, seed=seed, min_turns=7, max_turns=9))
    for split in ("train", "dev", "test"):
        found = {turn.emotion for dialogue in script if dialogue.split == split for turn in dialogue.turns}
        assert found == set(EMOTIONS)


def test_a_missing_emotion_replaces_the_commonest_at_its_first_turn():
    emotions = [["joy", "neutral"], ["neutral", "surprise", "anger", "sadness", "disgust"]]
    ensure_every_emotion(emotions)
    assert emotions == [["joy", "fear"], ["neutral", "surprise", "anger", "sadness", "disgust"]]


def test_a_split_too_small_for_every_emotion_gets_as_many_as_it_has_turns():
    emotions = [["neutral", "neutral", "neutral"]]
    ensure_every_emotion(emotions)
    assert len(set(emotions[0])) == 3


def test_the_same_seed_writes_the_same_script_and_another_one_does_not(demo_params):
    assert write_script(demo_params()) == write_script(demo_params())
    assert write_script(demo_params()) != write_script(demo_params(seed=1))


def test_sizes_of_one_split_change_nothing_in_another(demo_params):
    small, large = write_script(demo_params(train=20)), write_script(demo_params(train=40))
    assert [d for d in small if d.split != "train"] == [d for d in large if d.split != "train"]
    assert [d for d in small if d.split == "train"] == [d for d in large if d.split == "train"][:20]


def test_dialogues_have_the_sizes_asked_for(demo_params):
    script = write_script(demo_params(train=200, dev=20, test=30, min_turns=5, max_turns=6, speakers=3))
    assert Counter(dialogue.split for dialogue in script) == {"train": 200, "dev": 20, "test": 30}
    for split in ("train", "dev", "test"):
        numbers = [dialogue.number for dialogue in script if dialogue.split == split]
        assert numbers == list(range(len(numbers)))
    assert {len(dialogue.turns) for dialogue in script} == {5, 6}
    names = {turn.speaker.name for dialogue in script for turn in dialogue.turns}
    assert names == {speaker.name for speaker in SPEAKERS[:3]}


def test_at_most_four_speakers_talk_in_a_dialogue(large):
    casts = Counter(len({turn.speaker for turn in dialogue.turns}) for dialogue in large)
    assert set(casts) <= {1, 2, 3, 4}
    assert casts[1] < 0.02 * len(large)  # only where a short dialogue stays with who began
    assert min(casts[2], casts[3], casts[4]) > 0.1 * len(large)


def test_most_texts_of_a_corpus_of_the_default_size_differ(demo_params):
    texts = Counter(turn.text for dialogue in write_script(demo_params(train=400)) for turn in dialogue.turns)
    assert sum(count == 1 for count in texts.values()) > 0.35 * texts.total()
    assert len(texts) > 0.5 * texts.total()


def test_speakers_are_eight_with_names_and_voices_of_their_own():
    assert len(SPEAKERS) == len({s.name for s in SPEAKERS}) == len({s.voice for s in SPEAKERS}) == 8
