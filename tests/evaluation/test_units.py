import polars as pl
import pytest

from erc_core.evaluation.bootstrap import bootstrap_intervals, dialogue_confusions
from erc_core.evaluation.units import MIN_UNITS, too_few, unit_of, units_of

LABELS = ["joy", "fear"]


def corpus(dialogues: str, speakers: str, split: str = "test") -> pl.DataFrame:
    """Return a corpus of one split: a letter for the dialogue, and one for the speaker, of each utterance."""
    return pl.DataFrame({"split": [split] * len(dialogues), "dialogue_id": list(dialogues), "speaker": list(speakers)})


@pytest.mark.parametrize(
    ("table", "ingest", "unit"),
    [
        (corpus("aabb", "xyxy"), {"format": "meld"}, "dialogue"),
        (corpus("aabb", "xyxy"), {"format": "table", "split_by": "dialogue"}, "dialogue"),
        (corpus("aabb", "xxyy"), {"format": "table", "split_by": "speaker"}, "speaker"),
        # no dialogue has two utterances
        (corpus("abcd", "xxyy"), {"format": "table", "split_by": "dialogue"}, "speaker"),
        # nobody knows who speaks in the test split
        (corpus("abcd", "    ").with_columns(speaker=pl.lit("")), {"format": "table"}, "dialogue"),
        (corpus("abcd", "xxyy", split="train"), {"format": "table"}, "dialogue"),
    ],
)
def test_the_corpus_decides_what_is_resampled(table, ingest, unit):
    assert unit_of(table, ingest) == unit


def test_dialogues_are_units_as_they_are():
    assert units_of(corpus("aab", "xyx"), "dialogue") == (["a", "a", "b"], "dialogue")


def test_speakers_are_units_those_who_are_linked_by_dialogues_one():
    assert units_of(corpus("abcd", "xyxy"), "speaker") == (["x", "y", "x", "y"], "speaker")
    # v and w share dialogue a, w and x dialogue b: one chain
    assert units_of(corpus("aabbc", "vwwxy"), "speaker") == (["v", "v", "v", "v", "y"], "speaker group")
    # a name of a dialogue is no speaker's, and the unknown count as one
    unknown = corpus("xyz", "xyz").with_columns(speaker=pl.Series(["x", "", None]))
    assert units_of(unknown, "speaker") == (["x", "", ""], "speaker")


def test_intervals_begin_at_five_units():
    for n in (MIN_UNITS - 1, MIN_UNITS):
        counts = dialogue_confusions([str(i // 2) for i in range(2 * n)], LABELS * n, ["joy"] * 2 * n, LABELS)
        interval = bootstrap_intervals(counts, LABELS, samples=100, confidence=0.95, seed=0).acc
        assert (interval is None) == (n < MIN_UNITS)


def test_the_reason_is_in_words():
    assert too_few(2, "speaker").startswith("the test split has 2 speakers, and")
    assert too_few(1, "dialogue").startswith("the test split has 1 dialogue, and")
