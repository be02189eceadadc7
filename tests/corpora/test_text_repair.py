import pytest
from hypothesis import given
from hypothesis import strategies as st

from erc_core.corpora.text_repair import decode, mend
from erc_core.errors import ErcError


@pytest.mark.parametrize(
    ("damaged", "text"),
    [
        ("I don\x92t", "I don’t"),
        ("\x93No\x94\x85", "“No”…"),
        ("caf\xe9 \x80 5", "café € 5"),  # what is not damaged stays
        ("日本 naïve", "日本 naïve"),
    ],
)
def test_c1_characters_are_read_as_cp1252(damaged, text):
    assert mend(damaged).text == text
    assert mend(damaged).blanked == 0


def test_what_cp1252_does_not_have_is_a_control_character():
    mended = mend("a\x81b\x92c")
    assert (mended.text, mended.decoded, mended.blanked) == ("a b’c", 1, 1)


def test_runs_of_control_characters_become_one_space():
    mended = mend("one\r\n\ttwo\x00three\x7f")
    assert (mended.text, mended.decoded, mended.blanked) == ("one two three ", 0, 5)


@given(st.text())
def test_nothing_is_lost_but_controls(text):
    mended = mend(text)
    assert all(character.isprintable() or ord(character) > 0x9F for character in mended.text)
    visible = [character for character in text if ord(character) > 0x9F or " " < character < "\x7f"]
    kept = iter(mended.text)
    assert all(character in kept for character in visible)
    assert mend(mended.text).text == mended.text


@given(st.text())
def test_utf8_is_decoded_as_it_is(text):
    content = text.removeprefix("\ufeff").encode("utf-8", errors="ignore")
    assert decode(b"\xef\xbb\xbf" + content, "x") == (content.decode(), [])


@given(st.binary())
def test_no_bytes_are_refused_but_utf16(content):
    try:
        decode(content, "x")
    except ErcError:
        assert content[:2] in (b"\xff\xfe", b"\xfe\xff")


def test_lines_that_are_not_utf8_are_cp1252_and_the_others_stay_utf8():
    content = "one é\r\n".encode() + b"don\x92t caf\xe9\r\n" + "three ’".encode()
    assert decode(content, "x") == ("one é\r\ndon’t café\r\nthree ’", [2])
    assert decode(b"a\r\x92\rb", "x") == ("a\r’\rb", [2])


def test_utf16_is_told():
    with pytest.raises(ErcError, match=r"old\.csv: is UTF-16"):
        decode("a,b".encode("utf-16"), "old.csv")
