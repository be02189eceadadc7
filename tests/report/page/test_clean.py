import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from erc_core.report.page.clean import clean, shorten


@given(st.text(st.characters(exclude_categories=())))
def test_cleaned_text_is_one_printable_line_that_can_be_encoded(text):
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert len(cleaned.splitlines()) <= 1
    assert not {unicodedata.category(c) for c in cleaned} & {"Cc", "Cs", "Zl", "Zp"}
    assert clean(cleaned) == cleaned


def test_ordinary_text_stays_as_it_is():
    text = "Ça va? “Non” – 100% ☺ 👩‍👩‍👧 日本語 <b> a|b"
    assert clean(text) == text


def test_controls_and_overrides_become_visible():
    assert clean("a\r\n\tb\x00c\x1b[31m\u202ed\ud800") == "a b\ufffdc\ufffd[31m\ufffdd\ufffd"


def test_shorten_marks_the_cut():
    assert shorten("  abcdef ", 6) == "abcdef"
    assert shorten("abcd efg", 6) == "abcd…"
