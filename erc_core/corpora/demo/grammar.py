"""What is said: a small grammar of our own, in the manner of a series about friends who share an apartment.

A sentence is an opener, a clause and a tail. The clause is one of ten or so phrases of a word set, which carry the cue,
wrapped around a topic. Openers, topics, tails and full stops are drawn without regard to the word set, so they tell
nothing about the emotion. sentences.yaml has them all.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar, get_args

import numpy as np
from ruamel.yaml import YAML

Words = Literal["plain", "glad", "rude", "shock", "loss"]
WORD_SETS: tuple[Words, ...] = get_args(Words)

_PARTS = YAML(typ="safe").load(Path(__file__).with_name("sentences.yaml").read_text(encoding="utf-8"))
CUES: dict[Words, list[str]] = _PARTS["cues"]
TOPICS: list[str] = _PARTS["topics"]
OPENERS: list[str] = _PARTS["openers"]
TAILS: list[str] = _PARTS["tails"]
MARKS: list[str] = _PARTS["marks"]

MAX_WORDS = 11
OPENER_SHARE = 0.2
TAIL_SHARE = 0.1

Part = TypeVar("Part")


def write_sentence(words: Words, rng: np.random.Generator) -> str:
    """Compose a sentence of 4 to 11 words with the cue of a word set; rng is the source of every choice."""
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
