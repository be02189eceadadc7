import pytest

from erc_core.answers.page.words import STATUS, clock, length_in_words, model_in_words, status_in_words
from erc_core.conversation.segments import STATUSES
from erc_core.report.page.formats import plural as counted


def test_every_status_has_words():
    assert set(STATUSES) <= STATUS.keys()
    assert status_in_words("something_new") == "something new"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (59.999, "0:59"), (61, "1:01"), (3600, "1:00:00"), (36061.5, "10:01:01")]
)
def test_clock(seconds, shown):
    assert clock(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.2, "0 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (3720, "1 h 2 min")]
)
def test_lengths(seconds, shown):
    assert length_in_words(seconds) == shown


def test_counts_and_models():
    assert [counted(1, "speaker"), counted(2000, "speaker")] == ["1 speaker", "2,000 speakers"]
    assert model_in_words({"modality": "T", "dataset": "meld"}) == "reads the text and was trained on meld"
    assert model_in_words({}) == ""
