"""`erc predict` as a user runs it: what it writes, and that nothing of an interrupted run is lost or changes a byte."""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import soundfile
from closure import ROOT
from made_up_model import save_made_up_model, speech

from erc_core import predictor as front_door
from erc_core.cli import predict
from erc_core.cli.unfinished import Unfinished
from erc_core.conversation.inputs import read_inputs
from erc_core.errors import ErcError
from erc_core.run.alone import only_one

EXAMPLES = ROOT / "docs" / "examples" / "conversation"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_made_up_model(tmp_path_factory.mktemp("made_up") / "model")


@pytest.fixture
def talk(tmp_path, monkeypatch):
    """A recording with a transcript of 300 segments, in the working folder."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("talk.flac", speech(70), 16000)
    cues = (
        f"{n}\n00:00:{n * 0.2:06.3f} --> 00:00:{n * 0.2 + 0.35:06.3f}\nAnna: word {n}\n".replace(".", ",")
        for n in range(300)
    )
    Path("talk.srt").write_text("\n".join(cues))
    return Path("talk.flac")


def run(*words: object) -> None:
    parser = argparse.ArgumentParser()
    predict.add_parser(parser.add_subparsers())
    options = parser.parse_args(["predict", *map(str, words)])
    options.run(options)


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


WRITTEN = {"predictions.csv", "predictions.parquet", "predictions.json", "predictions.vtt", "predictions.srt", "predictions.TextGrid", "conversation.html"}  # fmt: skip


def test_a_recording_gets_its_files_and_a_line_for_people(model, talk, capsys):
    run(model, talk, "--min-confidence", 0.5)
    out = Path("talk.emotions")
    assert set(content(out)) == WRITTEN
    told = capsys.readouterr().out
    assert "transcript: talk.srt, which lies beside the recording" in told
    assert "predict talk: 300 utterances, 1 speakers" in told
    assert "300 overlapping" in told
    assert "its answers say nothing about people" in told
    table = pl.read_parquet(out / "predictions.parquet")
    assert table.columns[:5] == ["start", "end", "speaker", "text", "audio"]
    assert table["emotion"].null_count() == 0
    assert table["uncertain"].sum() == (table["confidence"] < 0.5).sum()
    record = json.loads((out / "predictions.json").read_text())
    assert record["recording"] == "../talk.flac"
    assert len(record["segments"]) == 300
    assert str(Path.cwd()) not in (out / "conversation.html").read_text()


def test_an_interrupted_run_is_taken_up_and_gives_the_same_bytes(model, talk, capsys, monkeypatch):
    run(model, talk, "--out", "whole")
    answer = front_door.Predictor._answer
    done = []

    def once(self, conversation, rows, reader):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(len(rows))
        return answer(self, conversation, rows, reader)

    monkeypatch.setattr(front_door.Predictor, "_answer", once)
    with pytest.raises(KeyboardInterrupt):
        run(model, talk, "--out", "again")
    assert len(list(Path("again/.unfinished").rglob("*.parquet"))) == 2
    capsys.readouterr()
    done.clear()
    run(model, talk, "--out", "again")
    assert done == [300 - 2 * front_door.CHUNK]
    assert "continues an interrupted run: 2 of 3 parts are there" in capsys.readouterr().out
    assert content(Path("again")) == content(Path("whole"))


def test_other_inputs_or_another_model_take_nothing_over(tmp_path, model, talk):
    conversation = read_inputs([talk]).conversation
    kept = Unfinished(tmp_path, conversation, ["one"])
    kept.keep(0, pl.DataFrame({"row": [1]}))
    assert list(Unfinished(tmp_path, conversation, ["one"]).read()) == [0]
    assert Unfinished(tmp_path, conversation, ["two"]).read() == {}
    os.utime(talk, (1, 1))
    assert Unfinished(tmp_path, read_inputs([talk]).conversation, ["one"]).read() == {}
    (kept.folder / "0.parquet").write_bytes(b"PAR1 cut")
    assert kept.read() == {}


def test_labels_that_came_in_are_scored(model, talk, capsys):
    rows = "".join(f"d{n % 6},word {n},{['Joy', 'neutral', 'anger', 'ennui'][n % 4]}\n" for n in range(40))
    Path("t.csv").write_text("dialogue_id,text,emotion\n" + rows)
    run(model, "t.csv")
    told = capsys.readouterr().out
    assert "scores of 30 utterances: W-F1" in told
    assert "95% intervals over dialogues" in told
    assert "10 rows without an answer, or with an emotion that the model does not know" in told
    assert "emotion_given" in pl.read_parquet("t.emotions/predictions.parquet").columns
    Path("u.csv").write_text("text,emotion\na,ennui\n")
    run(model, "u.csv")
    assert (
        "no scores: no emotion in column emotion is one of the model's (neutral, joy, anger)" in capsys.readouterr().out
    )


def test_a_table_keeps_its_own_columns(model, talk):
    Path("t.csv").write_text("Note,Text,Clip\nx,=1+1,a\n")
    run(model, "t.csv")
    table = pl.read_parquet("t.emotions/predictions.parquet")
    assert table.columns[:4] == ["Note", "Text", "Clip", "emotion"]
    assert table["Text"].to_list() == ["=1+1"]
    assert "=1+1" in Path("t.emotions/conversation.html").read_text()


def test_our_own_table_is_read_again(model, talk, capsys):
    run(model, talk, "--min-confidence", 0.5, "--out", "one")
    for suffix in ("csv", "parquet"):
        run(model, f"one/predictions.{suffix}", "--out", "two")
        table = pl.read_parquet("two/predictions.parquet")
        assert {"emotion_given", "uncertain_given", "status_given"} <= set(table.columns)
        assert "uncertain" not in table.columns
    assert table["emotion"].to_list() == table["emotion_given"].to_list()


def test_a_folder_that_cannot_be_made_is_told_before_the_model_is_loaded(model, talk, monkeypatch):
    monkeypatch.setattr(front_door.Predictor, "from_pretrained", lambda *_, **__: pytest.fail("loaded"))
    for out in ("talk.srt/below", "/proc/none", "x" * 300):
        with pytest.raises(ErcError, match=r"--out .*: cannot be written to \(.*\); name another folder"):
            run(model, talk, "--out", out)


def test_two_runs_into_one_folder_are_refused_by_whatever_name(model, talk):
    command = [sys.executable, "-m", "erc_core", "predict", str(model), str(talk), "--out", "./x/../out"]
    Path("x").mkdir()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with only_one("erc predict", Path("out/.unfinished")):
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "is at this work, `erc predict`: wait until it ends" in ran.stderr


def test_columns_of_types_that_no_text_has(model, talk):
    frame = pl.DataFrame({"text": ["a"], "emotion": [["joy"]], "dialogue_id": [["d"]]})
    frame = frame.with_columns(took=pl.Series([1000], dtype=pl.Duration("ms")))
    frame.write_parquet("t.parquet")
    run(model, "t.parquet")
    assert pl.read_parquet("t.emotions/predictions.parquet")["emotion_given"].to_list() == [["joy"]]
    pl.DataFrame({"text": ["a"], "start": pl.Series([1000], dtype=pl.Duration("ms"))}).write_parquet("u.parquet")
    with pytest.raises(
        ErcError, match=r"u.parquet: column start: its type is Duration.*; numbers of seconds are read there"
    ):
        run(model, "u.parquet")


def test_mistakes_are_told_before_the_model_is_loaded(model, talk, monkeypatch):
    monkeypatch.setattr(front_door.Predictor, "from_pretrained", lambda *_, **__: pytest.fail("loaded"))
    with pytest.raises(ErcError, match=r"absent.wav: no such file"):
        run(model, "absent.wav")
    with pytest.raises(ErcError, match=r"--out talk.srt: cannot be written to"):
        run(model, talk, "--out", "talk.srt")
    with pytest.raises(SystemExit):
        run(model, talk, "--min-confidence", 1.5)


@pytest.mark.parametrize(
    "name",
    sorted(
        p.name
        for p in EXAMPLES.iterdir()
        if p.is_file() and p.suffix not in (".flac", ".rttm") and "pyannote" not in p.name
    ),
)
def test_every_example_is_predicted(model, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    run(model, EXAMPLES / "conversation.flac", "--transcript", EXAMPLES / name, "--out", "out")
    table = pl.read_parquet("out/predictions.parquet")
    assert table["emotion"].len() == 20
    assert table["emotion"].null_count() == 0
    assert set(table["status"].cast(pl.String)) <= {"ok", "overlapping"}


@pytest.mark.parametrize("name", ["conversation.rttm", "conversation.pyannote.json"])
def test_speakers_of_the_examples(model, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    transcript = EXAMPLES / "conversation.whisper.json"
    run(
        model, EXAMPLES / "conversation.flac", "--transcript", transcript, "--speakers", EXAMPLES / name, "--out", "out"
    )
    assert pl.read_parquet("out/predictions.parquet")["speaker"].n_unique() == 2


def test_the_folder_of_clips_is_predicted(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(model, EXAMPLES / "clips")
    table = pl.read_parquet("clips.emotions/predictions.parquet")
    assert table["emotion"].null_count() == 0
    assert table["status"].cast(pl.String).to_list() == ["ok"] * 4


@pytest.mark.slow
def test_killed_at_random_moments_and_run_again_it_gives_the_same_bytes(model, talk):
    run(model, talk, "--out", "whole")
    rng = random.Random(0)
    command = [sys.executable, "-m", "erc_core", "predict", str(model), str(talk), "--out", "killed"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for _ in range(2):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(1.0, 6.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert content(Path("killed")) == content(Path("whole"))
