"""What is said: a small grammar of our own, in the manner of a series about friends who share an apartment.

A sentence is an opener, a clause and a tail. The clause is one of ten or so phrases of a word set, which carry the cue,
wrapped around a topic. Openers, topics, tails and full stops are drawn without regard to the word set, so they tell
nothing about the emotion.
"""

from collections.abc import Sequence
from typing import Literal, TypeVar, get_args

import numpy as np

Words = Literal["plain", "glad", "rude", "shock", "loss"]
WORD_SETS: tuple[Words, ...] = get_args(Words)

CUES: dict[Words, tuple[str, ...]] = {
    "plain": (
        "I put {} on the list",
        "we can talk about {} later",
        "I wrote a note about {}",
        "somebody called about {}",
        "{} is on the schedule",
        "I read something about {}",
        "she mentioned {} at lunch",
        "we should probably measure {}",
        "{} is around the corner",
        "they painted {} on Tuesday",
    ),
    "glad": (
        "I'm so happy about {}",
        "{} is absolutely wonderful",
        "I just love {}",
        "{} turned out great",
        "we're celebrating {} tonight",
        "I'm thrilled with {}",
        "{} is the best ever",
        "thank goodness for {}",
        "{} always makes me smile",
        "I'm so proud of {}",
    ),
    "rude": (
        "only an idiot would choose {}",
        "you're a jerk about {}",
        "shut up about {}",
        "{} is a stupid joke",
        "you totally ruined {}",
        "quit whining about {}",
        "I'm sick of {}",
        "{} is garbage, you moron",
        "keep your paws off {}",
        "you're too dumb for {}",
    ),
    "shock": (
        "what just happened to {}?",
        "something crawled out of {}",
        "{} suddenly started shaking",
        "there's a snake behind {}",
        "{} appeared out of nowhere",
        "oh my god, look at {}",
        "since when is {} haunted?",
        "I never expected {} here",
        "{} blew up in my face",
        "who on earth moved {}?",
    ),
    "loss": (
        "{} is gone forever",
        "we lost {} for good",
        "I really miss {}",
        "we said goodbye to {}",
        "nothing is left of {}",
        "we can't save {} anymore",
        "they took {} from us",
        "I cried over {}",
        "{} was all I had",
        "I'll never see {} again",
    ),
}

TOPICS = (
    "the café",
    "that couch",
    "the bakery",
    "my sandwich",
    "the piano",
    "her closet",
    "our kitchen",
    "his guitar",
    "my résumé",
    "that naïve painting",
    "our balcony",
    "Grandma's quilt",
    "his aquarium",
    "the wedding tent",
)
OPENERS = (
    "well,",
    "listen,",
    "you know,",
    "hey,",
    "okay,",
    "so,",
    "look,",
    "um,",
    "see,",
    "anyway,",
    "right,",
    "yeah,",
)
TAILS = (", you guys", ", everybody", ", I swear", ", honestly", ", seriously", ", okay", ", my friend", ", I guess")
MARKS = (".", ".", ".", ".", ".", "!", "...")

MAX_WORDS = 11
OPENER_SHARE = 0.2
TAIL_SHARE = 0.1

Part = TypeVar("Part")


def write_sentence(words: Words, rng: np.random.Generator) -> str:
    """Compose a sentence of 4 to 11 words.

    Args:
        words: The word set whose cue the sentence carries.
        rng: Source of every choice.

    Returns:
        The sentence, with a capital at the beginning and a full stop, dots, exclamation or question mark at the end.
    """
    clause = _pick(CUES[words], rng)
    question = clause.endswith("?")
    sentence = clause.removesuffix("?").format(_pick(TOPICS, rng))
    opener, tail, mark = _pick(OPENERS, rng), _pick(TAILS, rng), _pick(MARKS, rng)
    if rng.random() < OPENER_SHARE or len(sentence.split()) < 4:
        sentence = f"{opener} {sentence}"
    tailed = sentence + tail
    if rng.random() < TAIL_SHARE and not question and len(tailed.split()) <= MAX_WORDS:
        sentence = tailed
    return sentence[0].upper() + sentence[1:] + ("?" if question else mark)


def _pick(choices: Sequence[Part], rng: np.random.Generator) -> Part:
    return choices[int(rng.integers(len(choices)))]
