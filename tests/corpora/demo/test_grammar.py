from itertools import chain

import numpy as np
import pytest

from erc_core.corpora.demo.grammar import CUES, MAX_WORDS, OPENERS, TAILS, TOPICS, WORD_SETS, write_sentence


@pytest.fixture(scope="module")
def sentences() -> dict[str, list[str]]:
    rng = np.random.default_rng(0)
    return {words: [write_sentence(words, rng) for _ in range(1000)] for words in WORD_SETS}


def test_every_sentence_has_4_to_11_words_a_capital_and_an_end(sentences):
    for sentence in chain(*sentences.values()):
        assert 4 <= len(sentence.split()) <= MAX_WORDS, sentence
        assert sentence[0].isupper()
        assert sentence[-1] in ".!?"
        assert "{" not in sentence


def test_texts_vary_and_hold_apostrophes_and_letters_beyond_ascii(sentences):
    for texts in sentences.values():
        assert len(set(texts)) > 450
    text = " ".join(chain(*sentences.values()))
    assert all(word in text for word in ("café", "naïve", "résumé", "I'm", "can't"))


def test_each_set_has_8_to_12_cues_and_each_cue_is_used_and_belongs_to_one_set(sentences):
    every_cue = list(chain(*CUES.values()))
    assert len(set(every_cue)) == len(every_cue)
    for words, cues in CUES.items():
        assert 8 <= len(cues) <= 12
        for cue in cues:
            before, after = (part.strip(" ?").lower() for part in cue.split("{}"))
            holders = {w for w, texts in sentences.items() for t in texts if before in t.lower() and after in t.lower()}
            assert words in holders
            assert cue.count("{}") == 1


def test_openers_topics_and_tails_are_shared_by_all_sets(sentences):
    for texts in sentences.values():
        together = " ".join(texts).lower()
        assert all(part.lower() in together for part in (*OPENERS, *TOPICS, *TAILS))


def test_the_same_generator_writes_the_same_sentence():
    for words in WORD_SETS:
        assert write_sentence(words, np.random.default_rng(5)) == write_sentence(words, np.random.default_rng(5))
