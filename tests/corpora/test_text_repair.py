import pytest
from hypothesis import given
from hypothesis import strategies as st

from erc_core.corpora.text_repair import decode, mend, repairs
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
    assert mend(damaged).controls == ""


@pytest.mark.parametrize(
    ("content", "text", "damaged"),
    [
        (b"don\x92t", "don’t", "\udc92"),
        (b"caf\xe9 \x80 5", "café € 5", "\udce9\udc80"),
        ("é ’ ".encode() + b"\xe9", "é ’ é", "\udce9"),  # what is UTF-8 stays, in the same line
        (b"a\x81b", "a b", ""),
    ],
)
def test_bytes_that_are_not_utf8_are_read_as_cp1252(content, text, damaged):
    mended = mend(decode(content, "x"))
    assert (mended.text, mended.damaged) == (text, damaged)


def test_what_cp1252_does_not_have_is_a_control_character():
    mended = mend("a\x81b\x92c")
    assert (mended.text, mended.damaged, mended.controls) == ("a b’c", "\x92", "\x81")


def test_runs_of_control_characters_become_one_space():
    mended = mend("one\r\n\ttwo\x00three\x7f")
    assert (mended.text, mended.damaged, mended.controls) == ("one two three ", "", "\r\n\t\x00\x7f")


def test_white_space_at_the_ends_goes_unrecorded_but_never_a_character_of_cp1252():
    mended = mend(" \t well\x85\r\n", strip=True)
    assert (mended.text, mended.damaged, mended.controls) == ("well…", "\x85", "")


def test_rules_are_told_once_for_all_texts_with_their_codes():
    assert repairs(mend("plain"), mend("naïve")) == []
    assert repairs(mend("don\x92t\n"), mend("a\x81\x92"), mend(decode(b"\x93\x8d", "x"))) == [
        ("damaged_encoding", "3 damaged characters (0x92, 0x93)", "read as Windows-1252"),
        ("control_characters", "3 line breaks or control characters (U+000A, U+0081, U+008D)", "read as a space"),
    ]


SEPARATORS = "\u2028\u2029"  # of lines and paragraphs: control characters in all but their code


@given(st.text() | st.binary().map(lambda content: decode(b"x" + content, "x")))
def test_nothing_is_lost_but_controls(text):
    mended = mend(text)
    assert all(character.isprintable() or ord(character) > 0x9F for character in mended.text)
    assert not any(character in SEPARATORS or "\ud800" <= character <= "\udfff" for character in mended.text)
    visible = [
        character
        for character in text
        if " " < character < "\x7f" or (ord(character) > 0x9F and character not in SEPARATORS and character < "\ud800")
    ]
    kept = iter(mended.text)
    assert all(character in kept for character in visible)
    assert mend(mended.text).text == mended.text


@given(st.text())
def test_utf8_is_decoded_as_it_is(text):
    content = text.removeprefix("\ufeff").encode("utf-8", errors="ignore")
    assert decode(b"\xef\xbb\xbf" + content, "x") == content.decode()


@given(st.binary())
def test_no_bytes_are_refused_but_utf16(content):
    try:
        text = decode(content, "x")
    except ErcError:
        assert content[:2] in (b"\xff\xfe", b"\xfe\xff")
    else:
        assert text.encode("utf-8", "surrogateescape") == content.removeprefix(b"\xef\xbb\xbf")


def test_bytes_that_are_not_utf8_are_cp1252_and_the_others_stay_utf8():
    content = "one é\r\n".encode() + b"don\x92t caf\xe9\r\n" + "three ’".encode()
    lines = decode(content, "x").split("\r\n")
    assert [mend(line).text for line in lines] == ["one é", "don’t café", "three ’"]
    assert [len(mend(line).damaged) for line in lines] == [0, 2, 0]


def test_utf16_is_told():
    with pytest.raises(ErcError, match=r"old\.csv: is UTF-16"):
        decode("a,b".encode("utf-16"), "old.csv")
