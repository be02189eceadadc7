import os
from pathlib import Path

import polars as pl
import pytest
import soundfile
from closure import ROOT
from made_up_model import speech

from erc_core.conversation.inputs import read_inputs
from erc_core.errors import ErcError
from erc_core.store.tables import write_csv

EXAMPLES = ROOT / "docs" / "examples" / "conversation"
RECORDING = EXAMPLES / "conversation.flac"
VTT = "WEBVTT\n\n00:00.000 --> 00:01.000\n<v Anna>Hello\n\n00:01.000 --> 00:02.000\n<v Ben>Bye\n"


@pytest.fixture
def talk(tmp_path):
    soundfile.write(tmp_path / "talk.wav", speech(3), 16000)
    return tmp_path / "talk.wav"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recording_finds_the_transcript_beside_it_and_says_so(talk):
    vtt = write(talk.with_suffix(".vtt"), VTT)
    inputs = read_inputs([talk])
    assert inputs.notes == [f"transcript: {vtt}, which lies beside the recording; --transcript names another one"]
    assert inputs.conversation.text == ["Hello", "Bye"]
    assert inputs.conversation.audio == [talk, talk]
    assert (inputs.title, inputs.recording) == ("talk", talk)
    named = read_inputs([talk], vtt)
    assert named.notes == []
    assert named.conversation.table.equals(read_inputs([vtt, talk]).conversation.table)


def test_two_transcripts_beside_it_are_a_question(talk):
    write(talk.with_suffix(".vtt"), VTT)
    write(talk.with_suffix(".json"), "{}")
    with pytest.raises(
        ErcError, match=r"which is its transcript, .*talk.json or .*talk.vtt\? Say it with --transcript"
    ):
        read_inputs([talk])


def test_without_a_transcript_a_recording_is_one_utterance(talk):
    inputs = read_inputs([talk])
    assert inputs.conversation.is_timed.tolist() == [False]
    assert inputs.conversation.text == [""]
    assert "a longer one needs --transcript" in inputs.notes[0]
    write(talk.with_suffix(".txt"), "\ufeffHello  there\r\n")
    assert read_inputs([talk]).conversation.text == ["Hello  there"]


def test_a_transcript_alone_has_words_and_times(tmp_path):
    inputs = read_inputs([write(tmp_path / "talk.vtt", VTT)])
    assert inputs.conversation.audio == [None, None]
    assert inputs.conversation.start.tolist() == [0, 1]
    assert inputs.recording is None


def test_a_segment_without_times_has_no_speech(talk):
    segments = '{"segments": [{"text": "a", "start": 0, "end": 1}, {"text": "b"}]}'
    inputs = read_inputs([talk, write(talk.with_suffix(".json"), segments)])
    assert inputs.conversation.audio == [talk, None]


def test_speakers_come_from_turns_where_the_transcript_has_none(talk):
    segments = '{"segments": [{"text": "a", "start": 0, "end": 1}, {"text": "b", "start": 1, "end": 2}]}'
    json = write(talk.with_suffix(".json"), segments)
    rttm = write(
        talk.with_suffix(".rttm"),
        "SPEAKER talk 1 0.0 1.1 <NA> <NA> anna <NA> <NA>\nSPEAKER talk 1 1.1 1 <NA> <NA> ben <NA> <NA>\n",
    )
    for inputs in (read_inputs([talk], json, rttm), read_inputs([rttm, talk, json])):
        assert inputs.conversation.speaker == ["anna", "ben"]
    table = write(talk.with_suffix(".csv"), "start,end,text\n0,1,a\n1,2,b\n")
    inputs = read_inputs([talk, table, rttm])
    assert inputs.conversation.speaker == ["anna", "ben"]
    with pytest.raises(ErcError, match="speakers are told by their times"):
        read_inputs([write(talk.with_suffix(".tsv"), "text\tname\na\tb\n")], speakers=rttm)


def test_a_table_keeps_its_columns_and_finds_ours_by_their_names(tmp_path, talk):
    table = write(tmp_path / "t.csv", "Note,Text,AUDIO,Emotion,speaker\nx,Hello,talk.wav,joy,Anna\ny,,,,\n")
    inputs = read_inputs([table])
    conversation = inputs.conversation
    assert conversation.table.columns == ["Note", "Text", "AUDIO", "Emotion", "speaker"]
    assert conversation.text == ["Hello", ""]
    assert conversation.audio == [talk, None]
    assert conversation.speaker == ["Anna", None]
    assert inputs.emotion == "Emotion"


def test_rows_of_a_table_point_into_a_recording(tmp_path, talk):
    table = write(tmp_path / "t.csv", "start,end,text\n0.5,1.5,a\n1.5,,b\n")
    for inputs in (read_inputs([talk, table]), read_inputs([talk], table)):
        assert inputs.conversation.audio == [talk, talk]
        assert inputs.conversation.start.tolist() == [0.5, 1.5]
        assert inputs.recording == talk
    named = read_inputs([write(tmp_path / "u.csv", "audio,start,end,text\ntalk.wav,0,1,a\ntalk.wav,1,2,b\n")])
    assert named.recording == talk


def test_parquet_keeps_its_types(tmp_path):
    frame = pl.DataFrame({"text": ["a", None], "start": [0.5, None], "n": [1, 2], "vector": [[1.0], [2.0]]})
    frame.write_parquet(tmp_path / "t.parquet")
    inputs = read_inputs([tmp_path / "t.parquet"])
    assert inputs.conversation.table.schema == frame.schema
    assert inputs.conversation.text == ["a", ""]


def test_milliseconds_of_whisper_are_told_from_seconds(tmp_path):
    whisper = read_inputs([write(tmp_path / "w.tsv", "start\tend\ttext\n0\t1500\tHello\n1500\t2400\tBye\n")])
    assert whisper.conversation.end.tolist() == [1.5, 2.4]
    assert "are milliseconds" in whisper.notes[0]
    seconds = read_inputs([write(tmp_path / "s.tsv", "start\tend\ttext\n0\t1.5\tHello\n")])
    assert seconds.conversation.end.tolist() == [1.5]


def test_a_folder_is_its_clips_in_natural_order(tmp_path):
    for name in ("clip10.wav", "clip2.wav", "notes.md"):
        write(tmp_path / name, "x")
    write(tmp_path / "clip2.txt", "Hello")
    inputs = read_inputs([tmp_path])
    assert inputs.conversation.table["audio"].to_list() == ["clip2.wav", "clip10.wav"]
    assert inputs.conversation.audio[0] == tmp_path / "clip2.wav"
    assert inputs.conversation.text == ["Hello", ""]
    assert inputs.title == tmp_path.name


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["absent.wav"], "absent.wav: no such file or folder"),
        (["empty"], "holds no clip"),
        (["empty", "talk.wav"], "one conversation at a time"),
        (["talk.wav", "talk.wav", "t.vtt"], "a transcript is of one recording, but 2 were named"),
        (["t.vtt", "t.csv"], "one conversation at a time"),
        (["t.rttm"], "one conversation at a time"),
        (["nothing.csv"], "no column 'text' and no column 'audio'"),
        (["two.csv"], r"which of the columns \['Text', 'TEXT'\] is text\?"),
        (["own.csv", "talk.wav"], "has a column 'audio' of its own"),
        (["empty.vtt"], "empty.vtt"),
    ],
)
def test_what_is_no_conversation_is_told_in_one_line(tmp_path, talk, names, words):
    (tmp_path / "empty").mkdir()
    write(tmp_path / "t.vtt", VTT)
    write(tmp_path / "empty.vtt", "WEBVTT\n")
    write(tmp_path / "t.csv", "text\na\n")
    write(tmp_path / "t.rttm", "SPEAKER talk 1 0.0 1.1 <NA> <NA> anna <NA> <NA>\n")
    write(tmp_path / "nothing.csv", "a,b\n1,2\n")
    write(tmp_path / "two.csv", "Text,TEXT\n1,2\n")
    write(tmp_path / "own.csv", "text,audio\n1,x.wav\n")
    with pytest.raises(ErcError, match=words) as raised:
        read_inputs([tmp_path / name for name in names])
    assert "\n" not in str(raised.value)


def test_a_time_that_is_no_number_is_told_by_its_row(tmp_path):
    inputs = read_inputs([write(tmp_path / "t.csv", "text,start,end\na,0,1\nb,soon,2\n")])
    with pytest.raises(ErcError, match="row 3, column start: 'soon' is not a number of seconds"):
        _ = inputs.conversation.start


@pytest.mark.parametrize(
    "path", sorted(p for p in EXAMPLES.iterdir() if p.is_file() and p != RECORDING), ids=lambda p: p.name
)
def test_every_example_is_a_conversation(path):
    if path.suffix == ".rttm" or "pyannote" in path.name:
        inputs = read_inputs([RECORDING], EXAMPLES / "conversation.whisper.json", path)
    else:
        inputs = read_inputs([RECORDING], path)
    assert len(inputs.conversation) == 20
    assert len(set(inputs.conversation.speaker)) == 2 or path.name == "conversation.whisper.json"
    assert inputs.conversation.is_timed.all()
    assert set(inputs.conversation.audio) == {RECORDING}


def test_a_text_behind_an_apostrophe_of_ours_is_read_as_it_was(tmp_path):
    write_csv(pl.DataFrame({"text": ["=1+1", "'tis", "-- no"]}), tmp_path / "predictions.csv")
    assert "'=1+1" in (tmp_path / "predictions.csv").read_text()
    assert read_inputs([tmp_path / "predictions.csv"]).conversation.text == ["=1+1", "'tis", "-- no"]


def test_a_name_that_no_table_holds_is_told_in_one_line(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    path.write_bytes(b"")
    for named in (path, tmp_path):
        with pytest.raises(ErcError, match=r"caf\\udce9.wav': its name is not UTF-8.*rename it"):
            read_inputs([named])
