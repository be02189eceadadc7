"""Whatever a file holds, reading it gives a table or one message, soon."""

import json
import random
import re
import time

import polars as pl
import pytest
from closure import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_core.conversation.transcripts.read import read_transcript
from erc_core.conversation.transcripts.segments import SCHEMA
from erc_core.conversation.transcripts.speakers import assign_speakers, read_speakers
from erc_core.errors import ErcError

EXAMPLES = sorted(
    path for path in (ROOT / "docs" / "examples" / "conversation").iterdir() if path.suffix not in ("", ".flac", ".csv")
)
SEEDS = range(60)
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
PIECES = [
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\x92", b"\xed\xa0\x80", b"\r", b"\n\n", b"\x1b[2J", b"\xe2\x80\xa8", b'"', b"<", b"&", b"]", b"}", b"\t",
    b"NaN", b"-1", b"1e999", b"-Infinity", b"null", b"true", b"9" * 5000, b"99999999999:00:00", b" --> ", b"<v ", b"[SPEAKER_00]: ",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"NOTE ", b"[" * 3000, b'{"a":' * 3000, b"<a>" * 3000, b"\\ud800", b"\xd9\xa3", b"<exists>", b"!",
]  # fmt: skip


def outcome(read, path):
    """Return what reading a file gives: a table, or a message of one line."""
    try:
        return read(path)
    except ErcError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < 500 + len(str(path))
    return message


def check(path):
    table, speakers = outcome(read_transcript, path), outcome(read_speakers, path)
    if isinstance(table, pl.DataFrame):
        assert table.schema == SCHEMA
        assert table.select(pl.col("start", "end").is_finite().fill_null(value=True).all()).row(0) == (True, True)
        assert not table["text"].null_count()
        assert not CONTROLS.search("".join([*table["text"], *table["speaker"].drop_nulls()]))
    if isinstance(table, pl.DataFrame) and isinstance(speakers, pl.DataFrame):
        assert len(assign_speakers(table, speakers)) == len(table)


def mutated(content, rng):
    """Return content with a few pieces cut, doubled, swapped, overwritten or put in."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        a, b = sorted(rng.randint(0, len(content)) for _ in range(2))
        b = min(b, a + rng.choice((1, 4, 40, len(content))))
        match rng.randrange(5):
            case 0:
                del content[a:b]
            case 1:
                content[a:a] = content[a:b]
            case 2:
                content[a:a] = rng.choice(PIECES)
            case 3:
                content[a:b] = rng.choice(PIECES)
            case 4:
                content[a : a + 1] = rng.randbytes(1)
    return bytes(content)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name.partition(".")[2])
def test_mutations_of_every_example(tmp_path, example):
    content = example.read_bytes()
    path = tmp_path / example.name
    for seed in SEEDS:
        path.write_bytes(mutated(content, random.Random(f"{example.name} {seed}")))
        check(path)


@pytest.mark.parametrize("suffix", [".json", ".vtt", ".srt", ".eaf", ".TextGrid", ".txt", ".rttm"])
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(max_examples=40, deadline=None)
def test_anything_at_all(tmp_path_factory, suffix, content):
    path = tmp_path_factory.getbasetemp() / f"anything{suffix}"
    path.write_bytes(content)
    check(path)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["start", "end", "text", "speaker", "words", "spk", "offsets", "timestamp", "id"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(
    st.sampled_from(["segments", "sentence_info", "transcription", "chunks", "speakers", "diarization"]),
    st.lists(values, max_size=3),
)
@settings(deadline=None)
def test_json_with_anything_in_its_places(tmp_path_factory, key, items):
    path = tmp_path_factory.getbasetemp() / "anything.json"
    path.write_text(json.dumps({key: items}), encoding="utf-8")
    check(path)


N = 100_000


@pytest.mark.parametrize(
    "text",
    [
        "WEBVTT\n\n" + "00:01.000 --> 00:02.000\n" * N,
        "WEBVTT\n\n00:01.000 --> 00:02.000\n" + "<v " * N,
        "WEBVTT\n\n00:01.000 --> 00:02.000\n<v" + " " * N,
        "WEBVTT\n\n00:01.000 --> 00:02.000\n" + "<a" * N + "{\\" * N + "&#1" * N,
        "1\n00:00:01,000 --> 00:00:02,000\n" + "[" * N + "A" * N,
        "1\n00:00:01,000 -->" + " " * N + "\n",
        "1\n00:00:01,000 --> 00:00:02\n0:" + ":" * N + "-" * N + "\n",
        "0\t1\t" + "[[" * N + "\n",
        "1" * N + "\t1\ta\n",
        'File type = "ooTextFile"\nObject class = "TextGrid"\n' + '""' * N + '"',
        'File type = "ooTextFile"\nObject class = "TextGrid"\n' + "1" * N + " <" * N + "!" * N,
        "File type = " + '"ooTextFile' * N,
        "<?xml version='1.0'?>" + "<a>" * N + "</a>" * N,
        '{"segments": ' + "[" * N + "]" * N + "}",
        '{"segments": [' + '{"text": "", "words": [{}]},' * (N // 10) + "{}]}",
        " " * N + "\n" * N + "x",
    ],
    ids=range(16),
)
def test_no_content_takes_more_than_its_length_in_time(tmp_path, text):
    """Of this size each takes a second or two where time grows with length, and an hour where it grows with the square."""
    path = tmp_path / "long.txt"
    path.write_text(text, encoding="utf-8")
    began = time.process_time()
    check(path)
    assert time.process_time() - began < 20
