"""Transcripts that are written are such as are read."""

import polars as pl
import pytest
from made_up_answers import answered

from erc_core.answers.write import write_answers
from erc_core.conversation.transcripts.read import read_transcript

TEXTS = [
    "Plain.",
    "a <b> & c --> d",
    'He said "no".',
    "[anger 3%] (laughs): well",
    "שלום עולם",
    "\N{GRINNING FACE} 1\n2",
]


@pytest.fixture
def given(tmp_path):
    given = answered(24, texts=TEXTS, speakers=["Anna", "Bruno"])
    write_answers(given, tmp_path, embed_audio=False)
    return given


def expected(given, texts):
    times = given.table.select(pl.col("start", "end").round(3), "speaker")
    return times.with_columns(text=pl.Series(texts)).rows()


def rounded(table):
    return table.with_columns(pl.col("start", "end").round(3)).rows()


def marked(given):
    rows = given.table.select("emotion", "confidence", "text").rows()
    return [(f"[{emotion} {min(99, round(100 * p))}%]", " ".join(text.split())) for emotion, p, text in rows]


def test_webvtt(given, tmp_path):
    texts = [f"{mark} {text}" for mark, text in marked(given)]
    assert rounded(read_transcript(tmp_path / "predictions.vtt")) == expected(given, texts)


def test_srt(given, tmp_path):
    read = read_transcript(tmp_path / "predictions.srt")
    looks = str.maketrans("<>", "‹›")
    lines = [
        f"{who} {mark}: {text.translate(looks)}"
        for who, (mark, text) in zip(given.table["speaker"], marked(given), strict=True)
    ]
    whole = [f"{who}: {text}" if who else text for _, _, who, text in read.rows()]
    assert whole == lines


def test_textgrid(given, tmp_path):
    read = read_transcript(tmp_path / "predictions.TextGrid")
    said = read.filter(~pl.col("speaker").str.ends_with(" emotion"))
    assert rounded(said) == expected(given, [text for _, text in marked(given)])
    emotions = read.filter(pl.col("speaker").str.ends_with(" emotion"))["text"]
    assert emotions.to_list() == [mark[1:-1] for mark, _ in marked(given)]
