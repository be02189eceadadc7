"""Any transcript, whatever it is called and however it is encoded; the examples of docs/examples/conversation."""

import subprocess
import sys

import polars as pl
import pytest
from closure import ROOT
from polars.testing import assert_frame_equal

from erc_core.conversation.transcripts.read import READ, read_transcript
from erc_core.errors import ErcError

EXAMPLES = ROOT / "docs" / "examples" / "conversation"
NAMES = {"SPEAKER_00": "Anna", "SPEAKER_01": "Ben", "spk0": "Anna", "spk1": "Ben"}
WITH_SPEAKERS = (".vtt", ".srt", ".whisperx.json", ".funasr.json", ".audacity.txt", ".TextGrid", ".eaf")
VTT = "WEBVTT\n\n00:01.000 --> 00:02.500\n<v Zoë>Naïve, isn't it?\n"
ZOE = [(1.0, 2.5, "Zoë", "Naïve, isn't it?")]


@pytest.fixture(scope="module")
def conversation():
    return pl.read_csv(EXAMPLES / "conversation.csv").drop("emotion")


@pytest.mark.parametrize("suffix", WITH_SPEAKERS)
def test_every_example_is_the_same_conversation(suffix, conversation):
    table = read_transcript(EXAMPLES / f"conversation{suffix}").with_columns(pl.col("speaker").replace(NAMES))
    assert_frame_equal(table, conversation, check_exact=True)


def test_the_example_of_whisper_knows_no_speakers(conversation):
    table = read_transcript(EXAMPLES / "conversation.whisper.json")
    assert_frame_equal(table, conversation.with_columns(speaker=pl.lit(None, pl.String)), check_exact=True)


@pytest.mark.parametrize("suffix", [*WITH_SPEAKERS, ".whisper.json"])
@pytest.mark.parametrize("other", [".txt", ".srt", ".json", ".dat", ""])
def test_the_content_says_what_a_file_is(tmp_path, suffix, other):
    path = EXAMPLES / f"conversation{suffix}"
    renamed = tmp_path / f"renamed{other}"
    renamed.write_bytes(path.read_bytes())
    assert_frame_equal(read_transcript(renamed), read_transcript(path))


@pytest.mark.parametrize("suffix", [*WITH_SPEAKERS, ".whisper.json"])
@pytest.mark.parametrize("breaks", ["\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_and_line_breaks_of_other_systems(tmp_path, suffix, breaks, encoding):
    path = EXAMPLES / f"conversation{suffix}"
    text = path.read_text(encoding="utf-8").replace('encoding="UTF-8"', f'encoding="{encoding.removesuffix("-sig")}"')
    other = tmp_path / path.name
    other.write_text(text, encoding=encoding, newline=breaks)
    assert_frame_equal(read_transcript(other), read_transcript(path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(rows, encoding):
    assert rows(VTT.encode(encoding)) == ZOE


def test_a_byte_of_windows_among_utf8_is_mended_alone(rows):
    assert rows(VTT.replace("'", "\udc92").encode("utf-8", "surrogateescape")) == [
        (1.0, 2.5, "Zoë", "Naïve, isn’t it?")
    ]


def test_control_characters_and_half_characters_become_harmless(rows):
    told = '{"segments": [{"start": 0, "end": 1, "speaker": "A\\u0000", "text": "a\\u0007b\\ud83d \\n c"}]}'
    assert rows(told) == [(0.0, 1.0, "A", "a b\ufffd   c")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (b"Anna said hello.\nBen too.\n", "no transcript that is read here"),
        (b"start,end,text\n0,1,hello\n", READ),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "may be sound or video"),
        (b"\xff\xfea\x00b", "byte 5: no whole UTF-16"),
        (b"SPEAKER talk 1 0.0 1.0 <NA> <NA> A <NA> <NA>\n", "RTTM has speakers and no words"),
    ],
)
def test_what_is_no_transcript_is_said_in_one_line(rows, tmp_path, content, words):
    with pytest.raises(ErcError) as error:
        rows(content)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / 'talk.txt'}: ")
    assert words in message
    assert "\n" not in message


def test_a_file_that_is_not_there_or_far_too_large(tmp_path, monkeypatch):
    with pytest.raises(ErcError, match="not readable: No such file"):
        read_transcript(tmp_path / "talk.srt")
    with pytest.raises(ErcError, match="not readable"):
        read_transcript(tmp_path)
    large = tmp_path / "large.srt"
    with large.open("wb") as file:
        file.write(b"1\n00:00:01,000 --> 00:00:02,000\nhello\n")
        file.truncate(10 * 2**30)
    with pytest.raises(ErcError, match=r"10,240 MiB are no transcript; at most 64 are read|is no text"):
        read_transcript(large)


def test_importing_the_readers_brings_no_torch():
    code = "import sys, erc_core.conversation.transcripts.read as r; print(*{m.split('.')[0] for m in sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "scipy", "soundfile", "av", "jinja2"} & set(ran.stdout.split())
