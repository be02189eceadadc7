import json

import pytest
from closure import ROOT
from jsonschema import Draft202012Validator, ValidationError
from made_up_answers import LABELS, SPEAKERS, answered, unanswered

from erc_core.answers.predictions_json import write_predictions_json

SCHEMA = json.loads((ROOT / "docs" / "predictions.schema.json").read_text(encoding="utf-8"))


def written(given, folder):
    path = folder / "predictions.json"
    write_predictions_json(given, path)
    content = json.loads(path.read_text(encoding="utf-8"))
    Draft202012Validator(SCHEMA).validate(content)
    return content


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


def test_segments_are_the_rows(tmp_path):
    given = answered(20, recording=tmp_path.parent / "rec.wav", min_confidence=0.5)
    content = written(given, tmp_path)
    assert content["schema_version"] == "1.0"
    assert content["recording"] == "../rec.wav"
    assert content["model"]["labels"] == LABELS
    assert sorted(content["speakers"]) == SPEAKERS
    for row, segment in zip(given.table.rows(named=True), content["segments"], strict=True):
        assert all(segment[name] == row[name] for name in ("start", "end", "speaker", "text", "emotion", "confidence"))
        assert segment["probabilities"] == {label: row[f"p_{label}"] for label in LABELS}
        assert segment["uncertain"] is row["uncertain"]
    assert {segment["uncertain"] for segment in content["segments"]} == {True, False}


def test_what_is_unknown_is_null(tmp_path):
    given = answered(
        3, timed=False, speakers=None, status={1: "missing"}, detail={1: "no file"}, **unanswered(LABELS, 1)
    )
    content = written(given, tmp_path)
    segment = content["segments"][1]
    nulls = ("start", "end", "speaker", "emotion", "confidence", "probabilities", "uncertain")
    assert [segment[name] for name in nulls] == [None] * len(nulls)
    assert (segment["status"], segment["detail"]) == ("missing", "no file")
    assert content["recording"] is content["min_confidence"] is None
    assert content["speakers"] == []


def test_times_that_are_no_numbers_are_null(tmp_path):
    given = answered(3, start={0: float("nan"), 1: float("inf")}, end={2: -1.0})
    segments = written(given, tmp_path)["segments"]
    assert [segments[0]["start"], segments[1]["start"], segments[2]["end"]] == [None, None, -1]


def test_clips_have_paths_of_their_own(tmp_path):
    given = answered(2, timed=False, audio=[str(tmp_path / "a.wav"), None])
    assert [segment["audio"] for segment in written(given, tmp_path)["segments"]] == ["a.wav", None]


def test_the_schema_refuses_an_answer_without_its_probability(tmp_path):
    content = written(answered(1), tmp_path)
    content["segments"][0]["confidence"] = None
    with pytest.raises(ValidationError, match="is not of type 'number'"):
        Draft202012Validator(SCHEMA).validate(content)
