"""SubRip and WebVTT as the tools write them, and as people do."""

import pytest

from erc_core.errors import ErcError


def srt(*texts):
    return "\n".join(f"{k}\n00:00:0{k},000 --> 00:00:0{k},500\n{text}\n" for k, text in enumerate(texts, start=1))


def said(rows):
    return [row[2:] for row in rows]


def test_srt(rows):
    text = "1\n00:00:01,000 --> 00:00:02,500 X1:1 Y1:2\n<i>Hello</i> {\\an8}you\nthere\n\n2\n1:02:03.4 --> 1:02:04\n\n"
    assert rows(text) == [(1.0, 2.5, None, "Hello you there"), (3723.4, 3724.0, None, "")]


def test_srt_without_blank_lines_or_with_too_many(rows):
    dense = "1\n00:00:01,000 --> 00:00:02,000\nHello\n2\n00:00:03,000 --> 00:00:04,000\nyou\n\nthere\n42\n"
    assert rows(dense) == [(1.0, 2.0, None, "Hello"), (3.0, 4.0, None, "you there 42")]


def test_whisperx_writes_speakers_in_brackets(rows):
    assert said(rows(srt("[SPEAKER_00]: Hello", "Nobody: knows", "[SPEAKER_01]: Yes"))) == [
        ("SPEAKER_00", "Hello"),
        (None, "Nobody: knows"),
        ("SPEAKER_01", "Yes"),
    ]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Anna: Hello", "Ben: Hi", "and more"], [("Anna", "Hello"), ("Ben", "Hi"), (None, "and more")]),
        (["Anna: Hello", "Dr. Ben O'Hara: Hi"], [("Anna", "Hello"), ("Dr. Ben O'Hara", "Hi")]),
        (["说话人1：你好", "说话人2：好"], [("说话人1", "你好"), ("说话人2", "好")]),
        (["Note: it rains"], [(None, "Note: it rains")]),
        (["Listen: no", "What?", "Yes"], [(None, "Listen: no"), (None, "What?"), (None, "Yes")]),
        (
            ["At 12:30", "See http://x", "no, wait: this"],
            [(None, "At 12:30"), (None, "See http://x"), (None, "no, wait: this")],
        ),
    ],
)
def test_a_name_before_a_colon_is_a_speaker_where_most_cues_have_one(rows, texts, expected):
    assert said(rows(srt(*texts))) == expected


VTT = """WEBVTT - a title
Kind: captions
Language: en

STYLE
::cue(v[voice=Anna]) { color: red }

NOTE one line

intro
00:01.000 --> 00:02.000 align:start position:10%
<v.loud.first Anna Maria>Hello</v>
42

NOTE
over two
lines

01:00:03.000 --> 01:00:04.000
<v Ben>Two <i>voices</i> &amp; <c.yellow>more</c> </v><v Anna Maria><01:00:03.500>a &lt; b

chapter-2
00:05.000 --> 00:06.000
no voice
"""


def test_vtt_with_all_that_it_may_have(rows):
    assert rows(VTT) == [
        (1.0, 2.0, "Anna Maria", "Hello 42"),
        (3603.0, 3604.0, "Ben", "Two voices & more"),
        (3603.0, 3604.0, "Anna Maria", "a < b"),
        (5.0, 6.0, None, "no voice"),
    ]


def test_vtt_of_whisperx(rows):
    text = "WEBVTT\n\n00:00.031 --> 00:02.410\n[SPEAKER_00]: And so\n\n00:02.500 --> 00:03.000\nask not\n\n"
    assert rows(text) == [(0.031, 2.41, "SPEAKER_00", "And so"), (2.5, 3.0, None, "ask not")]


def test_vtt_of_meetings(rows):
    zoom = "WEBVTT\r\n\r\n1\r\n00:00:02.656 --> 00:00:03.230\r\nAnna O'Neil: Hello.\r\n\r\n2\r\n00:00:04.000 --> 00:00:05.000\r\nBen: Hi.\r\n"
    assert rows(zoom) == [(2.656, 3.23, "Anna O'Neil", "Hello."), (4.0, 5.0, "Ben", "Hi.")]
    teams = "WEBVTT\n\n9e1f-4c/12-0\n00:00:02.656 --> 00:00:03.230\n<v O'Neil, Anna>Hello\nyou.</v>\n\n9e1f-4c/12-1\n00:00:04.000 --> 00:00:05.000\n<v Ben>Hi.</v>\n"
    assert rows(teams) == [(2.656, 3.23, "O'Neil, Anna", "Hello you."), (4.0, 5.0, "Ben", "Hi.")]


def test_vtt_whose_header_no_blank_line_ends(rows):
    assert rows("WEBVTT\n00:01.000 --> 00:02.000\nHello\n") == [(1.0, 2.0, None, "Hello")]


def test_vtt_without_cues(rows):
    assert rows("WEBVTT\n\nNOTE nothing --> here\n") == []


def test_nothing_is_put_right(rows):
    text = "1\n00:00:05,000 --> 00:00:03,000\nbackwards\n\n2\n00:00:01,000 --> 99999999999:00:00,000\nlong\n"
    assert rows(text) == [(5.0, 3.0, None, "backwards"), (1.0, 359999999996400.0, None, "long")]


def test_text_with_an_arrow_stays_text(rows):
    assert said(rows(srt("a --> b\n2 -> 3"))) == [(None, "a --> b 2 -> 3")]


@pytest.mark.parametrize(
    "timing",
    [
        "00:00:0x,000 --> 00:00:02,000",
        "-00:00:01,000 --> 00:00:02,000",
        "00:00:01,000 -->",
        "00:00:01,0000 --> 00:00:02,000",
        "9999999999999999999:00:00 --> 00:00:02,000",
        "1.5 --> 2.5",
        "00:00:01,000 -> 00:00:02,000",
    ],
)
@pytest.mark.parametrize("vtt", [False, True])
def test_times_that_cannot_be_read_name_their_line(rows, timing, vtt):
    text = f"{'WEBVTT' if vtt else ''}\n\n1\n00:00:00,000 --> 00:00:01,000\nHello\n\n2\n{timing}\nyou\n"
    with pytest.raises(ErcError, match=r"talk.txt: line 8: '.*' are no times of a cue; write them as 00:01:02.345"):
        rows(text)
