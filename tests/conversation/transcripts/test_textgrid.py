"""TextGrids as Praat writes them, and damaged ones."""

import pytest

from erc_core.errors import ErcError

HEAD = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
SHORT = (
    HEAD
    + '0\n4\n<exists>\n3\n"IntervalTier"\n"Anna"\n0\n4\n3\n0\n1.5\n""\n1.5\n2.25\n"He said ""no"""\n2.25\n4\n"  "\n'
    + '"TextTier"\n"bells"\n0\n4\n1\n0.5\n"ding"\n'
    + '"IntervalTier"\n"Ben"\n0\n4\n2\n0\n1\n"item [1]: xmin = 3"\n1\n4\n"two\nlines"\n'
)
LONG = (
    HEAD
    + """xmin = 0
xmax = 4
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "Anna"
        xmin = 0
        xmax = 4
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 1.5
            text = "Hello" ! a comment of 5 words
        intervals [2]:
            xmin = 1.5
            xmax = 4
            text = ""
    item [2]:
        class = "TextTier"
        name = "bells"
        xmin = 0
        xmax = 4
        points: size = 1
        points [1]:
            number = 0.5
            mark = "ding"
"""
)


def test_short(rows):
    expected = [
        (0.0, 1.0, "Ben", "item [1]: xmin = 3"),
        (1.0, 4.0, "Ben", "two lines"),
        (1.5, 2.25, "Anna", 'He said "no"'),
    ]
    assert rows(SHORT) == expected
    assert rows(SHORT.encode("utf-16-be").join([b"\xfe\xff", b""])) == expected
    assert rows(SHORT.replace('"ooTextFile"\nObject class = ', '"ooTextFile short"\n')) == expected


def test_long(rows):
    assert rows(LONG) == [(0.0, 1.5, "Anna", "Hello")]


def test_long_as_elan_writes_it(rows):
    elan = (
        LONG.replace("item [1]:", "item[1]:")
        .replace("intervals [1]:", "intervals [1]")
        .replace("xmin = 0\n", "xmin = -0.0 \n")
    )
    assert rows(elan) == [(-0.0, 1.5, "Anna", "Hello")]


def test_intervals_that_overlap_or_run_backwards_are_kept(rows):
    text = HEAD + '0\n9\n<exists>\n1\n"IntervalTier"\n"A"\n0\n9\n2\n3\n1\n"a"\n0\n5\n"b"\n'
    assert rows(text) == [(0.0, 5.0, "A", "b"), (3.0, 1.0, "A", "a")]


def test_no_tiers(rows):
    assert rows(HEAD + "xmin = 0\nxmax = 1\ntiers? <absent>\n") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LONG[: LONG.index('"Hello')], "line 18: ends where the text of an interval should be: it was cut off"),
        (LONG.replace("1.5", "soon", 1), "line 18: 'Hello' stands where xmax of an interval should be"),
        (LONG.replace('"ding"', '"ding'), "line 31: a quotation mark opens here and is never closed"),
        (LONG.replace("size = 2", "size = 2.5", 1), "line 7: the number of tiers is 2.5"),
        (LONG.replace("size = 2", "size = -2", 1), "line 7: the number of tiers is -2"),
        (LONG.replace("size = 2", "size = 99999999999", 1), "line 32: ends where the class of a tier should be"),
        (LONG.replace("1.5", "1e999"), "line 17: xmax of an interval is no number"),
        (LONG.replace("IntervalTier", "Tiers"), "line 10: 'Tiers' is no class of a tier"),
    ],
)
def test_damage_names_its_line(rows, text, words):
    with pytest.raises(ErcError) as error:
        rows(text)
    assert words in str(error.value)
