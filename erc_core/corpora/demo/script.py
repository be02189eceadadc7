"""Who says what, with which emotion, and how: the script of the embedded corpus.

The emotion of an utterance is decided by the pair (words, prosody), not by either alone: a deadpan delivery turns the
words around, as irony does. Glad words spoken deadpan are sarcasm (anger), rude words spoken deadpan are teasing (joy).
Between joy and anger this is an exclusive-or, which no average of two one-modality classifiers can solve.

As in MELD, neutral is the most frequent emotion, and disgust and fear are rare; joy and anger are more frequent than there, as
they are what a fusion has to learn, and there words mean what they say in five of eight cases. A turn keeps the emotion of the
turn before it with some probability.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.random import Generator, SeedSequence

from erc_core.corpora.demo.grammar import WORD_SETS, Words, write_sentence
from erc_core.corpora.demo.prosody import PROSODIES, Manner, Prosody, Speaker, draw_manner
from erc_core.params.data import DemoParams
from erc_core.store.utterances import SPLITS

Emotion = Literal["neutral", "joy", "surprise", "anger", "sadness", "disgust", "fear"]
EMOTIONS: tuple[Emotion, ...] = get_args(Emotion)

Cell = tuple[Words, Prosody]

# Percent of all utterances. Every pair of words and prosody occurs once: the pair decides the emotion.
CELLS: dict[Emotion, dict[Cell, float]] = {
    "neutral": {
        ("plain", "even"): 19.25,
        ("glad", "even"): 6.0,
        ("rude", "even"): 4.0,
        ("loss", "even"): 3.0,
        ("plain", "deadpan"): 4.0,
    },
    "joy": {("glad", "lively"): 13.5, ("rude", "deadpan"): 7.5},
    "surprise": {("shock", "lively"): 5.0, ("shock", "even"): 3.0, ("plain", "lively"): 2.0},
    "anger": {("rude", "lively"): 11.5, ("glad", "deadpan"): 7.5, ("loss", "lively"): 1.0},
    "sadness": {("loss", "deadpan"): 4.0, ("loss", "trembling"): 2.0, ("glad", "trembling"): 1.0},
    "disgust": {("shock", "deadpan"): 1.5, ("rude", "trembling"): 1.25},
    "fear": {("shock", "trembling"): 2.0, ("plain", "trembling"): 1.0},
}

EMOTION_WEIGHTS: dict[Emotion, float] = {emotion: sum(cells.values()) for emotion, cells in CELLS.items()}
_WEIGHTED = [(cell, weight) for cells in CELLS.values() for cell, weight in cells.items()]
WORDS_WEIGHTS = {words: sum(weight for (w, _), weight in _WEIGHTED if w == words) for words in WORD_SETS}
PROSODY_WEIGHTS = {prosody: sum(weight for (_, p), weight in _WEIGHTED if p == prosody) for prosody in PROSODIES}

# The first `demo.speakers` of them are in the corpus. No voice with breath: eSpeak makes breath from the C library's
# random numbers, so that the bytes would depend on what was spoken before.
SPEAKERS = (
    Speaker("Mara", "f1", rate=222, pitch=48),
    Speaker("Otis", "m3", rate=212, pitch=46),
    Speaker("Petra", "steph", rate=234, pitch=50),
    Speaker("Hugo", "m8", rate=203, pitch=44),
    Speaker("Ines", "f4", rate=215, pitch=42),
    Speaker("Dario", "m1", rate=231, pitch=56),
    Speaker("Lena", "linda", rate=224, pitch=46),
    Speaker("Walt", "m7", rate=208, pitch=52),
)
MAX_CAST = 4
ANSWER_SHARE = 0.85  # of turns go to another speaker than the one before


@dataclass(frozen=True)
class Turn:
    """One utterance of a dialogue; words and prosody are what it really is made of, after the noise."""

    speaker: Speaker
    text: str
    emotion: Emotion
    words: Words
    prosody: Prosody
    manner: Manner


@dataclass(frozen=True)
class Dialogue:
    """A scene."""

    split: str  # train, dev or test
    number: int  # Dialogue_ID; restarts in every split
    start: float  # seconds from the beginning of the episode
    turns: tuple[Turn, ...]  # the utterances in order


def write_script(params: DemoParams) -> list[Dialogue]:
    """Write all dialogues, split by split.

    Each dialogue has random streams of its own, by seed, split and number: other sizes of one split change nothing in
    another, and a longer split begins as the shorter one did (up to the rule of `ensure_every_emotion`).
    """
    script = []
    for index, split in enumerate(SPLITS):
        count: int = getattr(params.dialogues, split)
        streams = [SeedSequence(params.seed, spawn_key=(index, number)).spawn(2) for number in range(count)]
        emotions = [_draw_emotions(np.random.default_rng(moods), params) for moods, _ in streams]
        ensure_every_emotion(emotions)
        script += [
            _write_dialogue(split, number, emotions[number], np.random.default_rng(lines), params)
            for number, (_, lines) in enumerate(streams)
        ]
    return script


def ensure_every_emotion(emotions: list[list[Emotion]]) -> None:
    """Give a split (its emotions, dialogue by dialogue) those that chance left out, in place.

    A missing emotion takes the place of the most frequent one at its first turn in the split. A split with fewer turns
    than there are emotions gets as many as it has turns.
    """
    counts = Counter(emotion for dialogue in emotions for emotion in dialogue)
    for missing in [emotion for emotion in EMOTIONS if emotion not in counts]:
        commonest = max(EMOTIONS, key=lambda emotion: counts[emotion])
        if counts[commonest] < 2:
            return
        dialogue = next(dialogue for dialogue in emotions if commonest in dialogue)
        dialogue[dialogue.index(commonest)] = missing
        counts[commonest] -= 1
        counts[missing] += 1


def _draw_emotions(rng: Generator, params: DemoParams) -> list[Emotion]:
    """Draw a chain that keeps its state with probability `persistence`, so the marginals are the weights themselves."""
    emotions: list[Emotion] = []
    for _ in range(int(rng.integers(params.min_turns, params.max_turns + 1))):
        keep, drawn = rng.random() < params.persistence, _draw(EMOTION_WEIGHTS, rng)
        emotions.append(emotions[-1] if keep and emotions else drawn)
    return emotions


def _write_dialogue(split: str, number: int, emotions: list[Emotion], rng: Generator, params: DemoParams) -> Dialogue:
    size = int(rng.integers(2, min(MAX_CAST, params.speakers) + 1))
    cast = [SPEAKERS[i] for i in rng.choice(params.speakers, size=size, replace=False)]
    start = float(rng.uniform(30, 1200))
    turns: list[Turn] = []
    for emotion in emotions:
        others = [speaker for speaker in cast if not turns or speaker != turns[-1].speaker]
        answers = not turns or rng.random() < ANSWER_SHARE
        speaker = others[int(rng.integers(len(others)))] if answers else turns[-1].speaker
        turns.append(_write_turn(speaker, emotion, rng, params))
    return Dialogue(split, number, start, tuple(turns))


def _write_turn(speaker: Speaker, emotion: Emotion, rng: Generator, params: DemoParams) -> Turn:
    words, prosody = _draw(CELLS[emotion], rng)
    if rng.random() < params.word_noise:
        words = _draw(WORDS_WEIGHTS, rng)
    if rng.random() < params.prosody_noise:
        prosody = _draw(PROSODY_WEIGHTS, rng)
    text = write_sentence(words, rng)
    return Turn(speaker, text, emotion, words, prosody, draw_manner(prosody, speaker, rng))


Outcome = TypeVar("Outcome")


def _draw(weights: dict[Outcome, float], rng: Generator) -> Outcome:
    """Draw a key with a probability proportional to its value."""
    bounds = np.cumsum(list(weights.values()))
    return list(weights)[int(np.searchsorted(bounds, rng.random() * bounds[-1], side="right"))]
