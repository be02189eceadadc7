import re

import pytest
from made_up_answers import LABELS, answered, unanswered

from erc_core.answers.subtitles import write_srt, write_vtt

TIMES = {"start": [0.0, 1.2345, 3661.0], "end": [1.0, 2.0, 3661.0004]}


def vtt(given, folder):
    write_vtt(given, folder / "a.vtt")
    return (folder / "a.vtt").read_text(encoding="utf-8")


def srt(given, folder):
    write_srt(given, folder / "a.srt")
    return (folder / "a.srt").read_text(encoding="utf-8")


def test_cues_tell_speaker_and_emotion(tmp_path):
    given = answered(
        3, texts=["One.", "Two."], speakers=["Anna"], **TIMES, emotion=["joy"] * 3, confidence=[0.926, 0.4, 1.0]
    )
    assert vtt(given, tmp_path) == (
        "WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.000\n<v Anna>[joy 93%] One.\n\n"
        "2\n00:00:01.234 --> 00:00:02.000\n<v Anna>[joy 40%] Two.\n\n"
        "3\n01:01:01.000 --> 01:01:01.001\n<v Anna>[joy 99%] One.\n"
    )
    assert srt(given, tmp_path).startswith("1\n00:00:00,000 --> 00:00:01,000\nAnna [joy 93%]: One.\n\n2\n")


def test_what_is_uncertain_or_unanswered_is_marked(tmp_path):
    none = unanswered(LABELS, 1)
    none["confidence"] |= {0: 0.4, 2: 0.6}
    given = answered(3, speakers=None, min_confidence=0.5, text={1: None}, **none)
    first, second, third = re.findall(r"^\[.*", vtt(given, tmp_path), re.MULTILINE)
    assert re.match(r"\[\w+\? 40%\] ", first)
    assert second == "[no answer]"
    assert re.match(r"\[\w+ 60%\] ", third)


def test_only_usable_times_are_cues_and_they_are_in_order(tmp_path):
    start = [5.0, None, 3.0, -1.0, 9.0, float("nan"), 1.0, 1e9]
    end = [6.0, 2.0, 4.0, 1.0, 8.0, 2.0, None, 2e9]
    given = answered(8, start=start, end=end)
    assert re.findall(r"^\d+$", vtt(given, tmp_path), re.MULTILINE) == ["3", "1"]
    assert re.findall(r"^\d+$", srt(given, tmp_path), re.MULTILINE) == ["1", "2"]


@pytest.mark.parametrize(
    "text", ["a --> b", "<b>bold</b> & <v Eve>", "{\\an8}up", "two\nlines\n\n9\n00:00:01.000 --> 00:00:02.000"]
)
def test_no_text_is_taken_for_the_format_s_own(text, tmp_path):
    given = answered(1, texts=[text], speakers=["A > B & C"])
    cue = vtt(given, tmp_path).split("\n", 4)
    assert cue[4].count("\n") == 1
    assert cue[4].startswith("<v A &gt; B &amp; C>[")
    assert not re.search(r"<(?!v A)|-->", cue[4])
    cue = srt(given, tmp_path).split("\n", 2)[2]
    assert cue.count("\n") == 1
    assert not set("<>{}") & set(cue)
