import math

import pytest

from erc_core.report.page import formats


def test_percentages_have_one_decimal():
    assert formats.percent(0.8125) == "81.2%"
    assert formats.percent_with_range(0.8125, 0.7, 0.9) == "81.2% (70.0–90.0)"
    assert formats.percent_range(0, 1) == "0.0–100.0%"


@pytest.mark.parametrize("absent", [None, math.nan])
def test_what_is_absent_is_a_dash(absent):
    assert formats.percent(absent) == "–"
    assert formats.percent_range(absent, 0.5) == "–"
    assert formats.percent_with_range(0.5, absent, absent) == "50.0%"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.97, "1 min 0 s"), (725, "12 min 5 s"), (3599.7, "1 h 0 min"), (90000, "25 h 0 min")],
)  # fmt: skip
def test_durations(seconds, words):
    assert formats.duration(seconds) == words


def test_counts_and_values():
    assert formats.plural(1, "dialogue") == "1 dialogue"
    assert formats.plural(1234, "dialogue") == "1,234 dialogues"
    assert formats.value(True) == "true"
    assert formats.value(["a", None, 1.5]) == "a, –, 1.5"


def test_points_have_a_sign_and_a_true_minus():
    assert formats.points(-0.04671) == "−4.67"
    assert formats.points(0.0097) == "+0.97"
    assert formats.points(-0.00001) == formats.points(0.0) == "0.00"
    assert formats.hundredths(0.6282) == "62.82"
    assert formats.points(None) == formats.hundredths(None) == "–"


@pytest.mark.parametrize(
    ("p", "shown"),
    [(1.0, "1.000"), (0.0507, "0.051"), (0.05, "0.050"), (0.0499, "<0.05"), (0.012, "0.012"), (0.0009, "<0.001"), (None, "–")],
)  # fmt: skip
def test_p_values_never_hide_that_they_are_below_a_level(p, shown):
    assert formats.p_value(p) == shown


def test_lists_in_prose():
    assert [formats.listed(list(words)) for words in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
