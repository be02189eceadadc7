"""RTTM and pyannote's JSON, and their speakers joined with a transcript."""

import json

import numpy as np
import polars as pl
import pytest
from closure import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_core.conversation.transcripts.read import read_transcript
from erc_core.conversation.transcripts.segments import SCHEMA as SEGMENTS
from erc_core.conversation.transcripts.speakers import SCHEMA as TURNS
from erc_core.conversation.transcripts.speakers import assign_speakers, read_speakers
from erc_core.errors import ErcError

EXAMPLES = ROOT / "docs" / "examples" / "conversation"
RTTM = """;; made by hand
SPKR-INFO talk 1 <NA> <NA> <NA> unknown Anna <NA> <NA>
SPEAKER talk 1 0.500 1.250 <NA> <NA> Anna <NA> <NA>
SPEAKER talk 1   2 .5 <NA> <NA> Ben <NA>

NON-SPEECH talk 1 3 1 <NA> breath <NA> <NA> <NA>
"""


@pytest.fixture
def speakers(tmp_path):
    def read(content, name="talk.rttm"):
        (tmp_path / name).write_text(content, encoding="utf-8")
        return read_speakers(tmp_path / name).rows()

    return read


def segments(*rows):
    return pl.DataFrame(rows, schema=SEGMENTS, orient="row")


def turns(*rows):
    return pl.DataFrame(rows, schema=TURNS, orient="row")


@pytest.mark.parametrize("suffix", [".rttm", ".pyannote.json"])
def test_the_examples_say_who_speaks_in_a_transcript_without_speakers(suffix):
    joined = assign_speakers(
        read_transcript(EXAMPLES / "conversation.whisper.json"), read_speakers(EXAMPLES / f"conversation{suffix}")
    )
    assert joined.equals(read_transcript(EXAMPLES / "conversation.whisperx.json"))


def test_rttm(speakers):
    assert speakers(RTTM) == [(0.5, 1.75, "Anna"), (2.0, 2.5, "Ben")]
    assert speakers(";; nobody speaks\n") == []


def test_pyannote_prefers_what_is_exclusive(speakers):
    both, alone = [{"start": 0, "end": 2.5, "speaker": "A"}], [{"start": 0, "end": 2, "speaker": "A"}]
    assert speakers(json.dumps({"diarization": both, "exclusive_diarization": alone})) == [(0.0, 2.0, "A")]
    assert speakers(json.dumps({"diarization": both})) == [(0.0, 2.5, "A")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("SPEAKER talk 1 0 1 <NA> <NA>\n", "line 1: 7 fields; a SPEAKER line of RTTM has ten"),
        (";; x\nSPEAKER talk 1 zero 1 <NA> <NA> A <NA> <NA>\n", "line 2: start 'zero' and duration '1' are no times"),
        ("SPEAKER talk 1 0 -1 <NA> <NA> A <NA> <NA>\n", "line 1: start '0' and duration '-1' are no times"),
        ("SPEAKER talk 1 nan 1 <NA> <NA> A <NA> <NA>\n", "line 1: start 'nan'"),
        (
            "SPEAKER a 1 0 1 <NA> <NA> A\nSPEAKER b 1 0 1 <NA> <NA> A\n",
            "of 2 recordings ('a' and 'b'): keep the lines of one",
        ),
        ("hello\n", "no file of speakers that is read here. Read are: RTTM, JSON of pyannote"),
        ('{"segments": []}', "JSON without a list of exclusive_diarization or diarization"),
        ('{"diarization": [{"start": 2, "end": 1, "speaker": "A"}]}', "diarization, turn 1: wants start, end"),
        ('{"diarization": [7]}', "diarization, turn 1: wants start, end"),
        ('{"diarization": [', "no whole JSON"),
    ],
)
def test_damage_names_its_place(speakers, content, words):
    with pytest.raises(ErcError) as error:
        speakers(content)
    assert words in str(error.value)


def test_the_one_who_speaks_longest_is_taken():
    said = segments(
        (0.0, 10.0, None, "a"), (0.0, 4.0, "Zoe", "stays"), (20.0, 21.0, None, "silence"), (None, 1.0, None, "b")
    )
    who = turns((0.0, 4.0, "A"), (4.0, 7.0, "B"), (7.0, 9.0, "B"))
    assert assign_speakers(said, who)["speaker"].to_list() == ["B", "Zoe", None, None]


def test_of_two_who_speak_equally_long_the_earlier_turn_is_taken():
    said = segments((0.0, 0.6, None, "a"))
    assert assign_speakers(said, turns((0.3, 0.6, "late"), (0.0, 0.3, "early")))["speaker"].to_list() == ["early"]
    assert assign_speakers(said, turns((0.0, 0.3, "early"), (0.3, 0.6, "late")))["speaker"].to_list() == ["early"]


def test_turns_of_one_speaker_that_overlap_count_once():
    said = segments((0.0, 10.0, None, "a"))
    who = turns((0.0, 4.0, "A"), (0.0, 4.0, "A"), (1.0, 3.0, "A"), (4.0, 10.0, "B"))
    assert assign_speakers(said, who)["speaker"].to_list() == ["B"]


def test_touching_is_no_overlap():
    assert (
        assign_speakers(segments((1.0, 2.0, None, "a")), turns((0.0, 1.0, "A"), (2.0, 3.0, "A")))["speaker"][0] is None
    )


def test_nothing_to_join():
    assert assign_speakers(segments(), turns((0.0, 1.0, "A"))).equals(segments())
    assert assign_speakers(segments((0.0, 1.0, None, "a")), turns())["speaker"].to_list() == [None]


eighths = st.integers(0, 40).map(lambda n: n / 8)
drawn_turns = st.lists(st.tuples(eighths, eighths, st.sampled_from("ABC")).map(lambda t: (t[0], t[0] + t[1], t[2])))


@given(st.lists(st.tuples(eighths, eighths)), drawn_turns)
@settings(deadline=None)  # the first call is slow
def test_agrees_with_counting_eighths_of_seconds(times, who):
    """An independent reference: time in steps of 1/8 s, of which each is somebody's or nobody's."""
    assigned = assign_speakers(segments(*[(a, b, None, "") for a, b in times]), turns(*who))["speaker"].to_list()
    for (a, b), speaker in zip(times, assigned, strict=True):
        steps = np.arange(a, max(a, b), 1 / 8)
        spoken = {n: sum(any(s <= t < e and n == m for s, e, m in who) for t in steps) for _, _, n in who}
        longest = max(spoken.values(), default=0)
        assert speaker in {n for n, steps in spoken.items() if steps == longest} if longest else speaker is None
