"""JSON as the tools write it."""

import json

import pytest

from erc_core.errors import ErcError

WHISPERX = {
    "segments": [
        {
            "start": 0.031,
            "end": 2.41,
            "text": " And so, my fellow Americans,",
            "words": [
                {"word": "And", "start": 0.031, "end": 0.171, "score": 0.779, "speaker": "SPEAKER_00"},
                {"word": "so,", "start": 0.212, "end": 0.4, "score": 0.91, "speaker": "SPEAKER_00"},
                {"word": "1961"},
            ],
            "speaker": "SPEAKER_00",
        },
        {"start": 2.5, "end": 3.0, "text": " ask not."},
    ],
    "word_segments": [],
    "language": "en",
}


def word(text, start, end, speaker):
    return {"word": text, "start": start, "end": end, "score": 0.8, "speaker": speaker}


def test_whisperx(rows):
    assert rows(json.dumps(WHISPERX)) == [
        (0.031, 2.41, "SPEAKER_00", "And so, my fellow Americans,"),
        (2.5, 3.0, None, "ask not."),
    ]


def test_a_segment_without_a_speaker_takes_the_one_who_speaks_the_largest_part_of_its_words(rows):
    words = [word("a", 0, 0.1, "A"), word("b", 0.2, 0.3, "A"), word("long", 0.4, 1.0, "B"), {"word": "x"}]
    segment = {"start": 0, "end": 1, "text": "a b long x", "words": words}
    assert rows(json.dumps({"segments": [segment]})) == [(0.0, 1.0, "B", "a b long x")]
    for timeless in words:
        timeless.pop("start", None)
    assert rows(json.dumps({"segments": [segment]}))[0][2] == "A"


def test_times_that_are_no_times_are_null(rows):
    told = '{"segments": [{"text": "a"}, {"start": NaN, "end": null, "text": "b"}, {"start": 1e999, "end": -1, "text": "c"}]}'
    assert rows(told) == [(None, None, None, "a"), (None, None, None, "b"), (None, -1.0, None, "c")]


def test_texts_made_of_words_and_missing_texts(rows):
    told = {"segments": [{"words": [{"word": " Hello"}, {"word": " you"}]}, {"start": 1, "end": 2}]}
    assert rows(json.dumps(told)) == [(None, None, None, "Hello you"), (1.0, 2.0, None, "")]


def test_speakers_as_numbers_and_as_objects(rows):
    told = [
        {"start": 0, "end": 1, "text": "a", "speaker": 1},
        {"start": 0, "end": 1, "text": "b", "speaker": {"id": "x"}},
    ]
    assert [row[2] for row in rows(json.dumps(told))] == ["1", "x"]


def test_funasr(rows):
    sentences = [
        {"text": "正是因为，", "start": 430, "end": 1420, "timestamp": [[430, 670]], "spk": 0},
        {"sentence": "<|en|><|HAPPY|><|Speech|><|withitn|>so many.", "start": 1500, "end": 2337, "spk": 1},
        {"text": "yes", "start": 3, "end": 2},
    ]
    expected = [(0.43, 1.42, "spk0", "正是因为，"), (1.5, 2.337, "spk1", "so many."), (0.003, 0.002, None, "yes")]
    for told in ([{"key": "talk", "text": "", "sentence_info": sentences}], {"sentence_info": sentences}):
        assert rows(json.dumps(told, ensure_ascii=False)) == expected


def test_whisper_cpp(rows):
    item = {
        "timestamps": {"from": "00:00:00,320", "to": "00:00:02,500"},
        "offsets": {"from": 320, "to": 2500},
        "text": " And so",
    }
    told = {"systeminfo": "AVX = 1", "result": {"language": "en"}, "transcription": [item, item | {"speaker": "1"}]}
    assert rows(json.dumps(told)) == [(0.32, 2.5, None, "And so"), (0.32, 2.5, "1", "And so")]


def test_transformers_and_insanely_fast_whisper(rows):
    chunks = [{"timestamp": [0.0, 5.2], "text": " One."}, {"timestamp": [5.2, None], "text": " Two."}]
    plain = [(0.0, 5.2, None, "One."), (5.2, None, None, "Two.")]
    assert rows(json.dumps({"text": " One. Two.", "chunks": chunks})) == plain
    assert rows(json.dumps({"speakers": [], "chunks": chunks, "text": ""})) == plain
    speakers = [{"speaker": "SPEAKER_00", **chunk} for chunk in chunks]
    assert rows(json.dumps({"speakers": speakers, "chunks": chunks, "text": ""}))[0][2] == "SPEAKER_00"


def test_no_segments_are_an_empty_table(rows):
    assert rows('{"text": "", "segments": [], "language": "en"}') == []


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ('{"segments": [\n{"start": 0, "en', "line 2, column 14: no whole JSON (Unterminated string"),
        ('{"segments": [{"start": 0, "end": 1, "text": "a"}, 5]}', "segment 2: is no object with start, end and text"),
        (
            '{"segments": [{"start": "0:01", "text": "a"}]}',
            "segment 1: '0:01' is no number; times are numbers, or null",
        ),
        ('{"segments": [{"start": true, "text": "a"}]}', "segment 1: 'True' is no number"),
        ('{"segments": [{"text": ["a"]}]}', "segment 1: text is \"['a']\", no string"),
        ('{"segments": [{"text": "a", "speaker": ["b"]}]}', "segment 1: speaker is"),
        ('{"words": []}', "JSON without a list of segments, sentence_info"),
        ('[{"sentence_info": []}, {"sentence_info": []}]', "has the results of 2 recordings: give a file for each"),
        ('[{"key": "talk", "text": "hello"}]', "let FunASR write it again with vad_model, punc_model and spk_model"),
        ('{"diarization": []}', "has speakers and no words"),
        ('{"a":' * 100_000, "JSON nested too deeply"),
        ('{"segments": [[[[1]]]]}', "segment 1: is no object"),
    ],
)
def test_damaged_json_names_its_place(rows, told, words):
    with pytest.raises(ErcError) as error:
        rows(told)
    assert words in str(error.value)


def test_a_number_of_many_digits_is_a_number(rows):
    told = '{"segments": [{"start": ' + "9" * 100_000 + ', "end": 123456789012345678901, "text": ""}]}'
    assert rows(told) == [(None, 123456789012345678901.0, None, "")]


def test_json_that_is_named_so_says_what_is_wrong_with_it(rows):
    with pytest.raises(ErcError, match="line 1, column 1: no whole JSON"):
        rows("segments: []", "talk.json")
