import csv
import hashlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pools import processes

from erc_core.corpora.demo import corpus
from erc_core.corpora.demo.corpus import COLUMNS, DAMAGES, choose_damages, sentiment, speak_corpus
from erc_core.corpora.demo.script import write_script
from erc_core.corpora.meld.layout import CLIP_FOLDERS
from erc_core.corpora.readers import read_corpus
from erc_core.errors import ErcError
from erc_core.params.data import AudioParams, MeldIngest
from erc_core.speech.audio import load_clip
from erc_core.store.utterances import SYNTHETIC_FILE

AUDIO = AudioParams(sample_rate=16000, downmix="center", min_seconds=0.1, max_seconds=20.0, silence_dbfs=-65.0)


@pytest.fixture(scope="module")
def params(demo_params):
    return demo_params(train=5, dev=3, test=2, max_turns=8)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory, params):
    pytest.importorskip("espeakng_loader")
    folder = tmp_path_factory.mktemp("raw") / "demo"
    return folder, speak_corpus(folder, params, processes(1))


def bytes_of(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows_of(folder: Path, split: str) -> list[dict[str, str]]:
    with (folder / f"{split}_sent_emo.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_same_bytes_come_again_with_two_workers_over_an_old_folder(spoken, params, tmp_path):
    folder, summary = spoken
    again = tmp_path / "demo"
    again.mkdir()
    (again / "old").touch()
    assert speak_corpus(again, params, processes(2)) == summary
    assert bytes_of(again) == bytes_of(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_the_annotation_has_the_layout_of_meld(spoken, params):
    folder, summary = spoken
    assert (folder / SYNTHETIC_FILE).is_file()  # what says that no person spoke
    script = write_script(params)
    total = 0
    for split in CLIP_FOLDERS:
        raw = (folder / f"{split}_sent_emo.csv").read_bytes()
        assert raw.count(b"\n") == raw.count(b"\r\n")
        assert raw.splitlines()[0].decode() == ",".join(COLUMNS)
        rows = rows_of(folder, split)
        turns = [
            (str(dialogue.number), str(utterance), turn.text, turn.speaker.name, turn.emotion)
            for dialogue in script
            if dialogue.split == split
            for utterance, turn in enumerate(dialogue.turns)
        ]
        names = ("Dialogue_ID", "Utterance_ID", "Utterance", "Speaker", "Emotion")
        assert [tuple(row[name] for name in names) for row in rows] == turns
        assert [row["Sr No."] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
        for row in rows:
            assert row["Season"].isdigit()
            assert row["Episode"].isdigit()
            assert re.fullmatch(r"\d\d:[0-5]\d:[0-5]\d,\d{3}", row["StartTime"])
            assert row["StartTime"] < row["EndTime"]
        total += len(rows)
    assert total == summary.utterances == sum(len(dialogue.turns) for dialogue in script)
    assert summary.dialogues == 10


def test_clips_are_22050_hz_mono_16_bit_and_as_long_as_annotated(spoken, params):
    folder, summary = spoken
    damaged = choose_damages(write_script(params))
    seconds = 0.0
    for split, clips in CLIP_FOLDERS.items():
        for row in rows_of(folder, split):
            length = in_seconds(row["EndTime"]) - in_seconds(row["StartTime"])
            seconds += length
            if (split, int(row["Dialogue_ID"]), int(row["Utterance_ID"])) in damaged:
                continue
            path = folder / clips / f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}.wav"
            info = soundfile.info(path)
            assert (info.samplerate, info.channels, info.subtype) == (22050, 1, "PCM_16")
            assert info.duration == pytest.approx(length, abs=0.002)
            samples, _ = soundfile.read(path)
            assert -50 < 20 * np.log10(np.sqrt(np.mean(samples**2))) < -10
    assert seconds == pytest.approx(summary.seconds, abs=1)


def in_seconds(stamp: str) -> float:
    hours, minutes, rest = stamp.split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(rest.replace(",", "."))


def test_the_reader_of_meld_reads_it_and_finds_each_damage(spoken):
    folder, summary = spoken
    utterances = read_corpus(folder, MeldIngest(format="meld"), folder).utterances
    assert len(utterances) == summary.utterances
    statuses = {
        split: Counter(
            load_clip(folder / path if path else None, AUDIO).status.value
            for path in utterances.filter(split=split)["audio_path"]
        )
        for split in CLIP_FOLDERS
    }
    for found in statuses.values():
        del found["ok"]
    assert statuses == {
        "train": {"undecodable": 1, "silent": 1, "too_short": 1, "not_finite": 1},
        "dev": {"missing": 1, "empty": 1},
        "test": {"too_long": 1},
    }
    assert summary.damaged == 7


def test_damage_changes_no_label_and_only_seven_clips(spoken, params, tmp_path):
    folder, _ = spoken
    whole = tmp_path / "demo"
    summary = speak_corpus(whole, params.model_copy(update={"damaged_clips": False}), processes(1))
    damaged, sound = bytes_of(folder), bytes_of(whole)
    assert summary.damaged == 0
    changed = [name for name in sound if damaged.get(name) != sound[name]]
    assert len(changed) == 7
    assert all(name.endswith(".wav") for name in changed)
    assert set(damaged) < set(sound)


def test_damage_is_spread_over_neutral_utterances_of_a_large_script(demo_params):
    script = write_script(demo_params(train=160, dev=30, test=60))
    emotion_of = {
        (dialogue.split, dialogue.number, utterance): turn.emotion
        for dialogue in script
        for utterance, turn in enumerate(dialogue.turns)
    }
    damages = choose_damages(script)
    assert Counter(split for split, _, _ in damages) == {split: len(kinds) for split, kinds in DAMAGES.items()}
    assert {emotion_of[key] for key in damages} == {"neutral"}
    assert len({number for split, number, _ in damages if split == "train"}) == 4


def test_a_tiny_script_has_no_more_damages_than_it_can_bear(demo_params):
    script = write_script(demo_params(train=1, dev=1, test=1, min_turns=1, max_turns=1))
    assert len(choose_damages(script)) <= 1


def test_sentiment_follows_the_emotion_and_surprise_is_either(demo_params):
    turns = [turn for dialogue in write_script(demo_params(train=100)) for turn in dialogue.turns]
    found = {(turn.emotion, sentiment(turn)) for turn in turns}
    negative = {(emotion, "negative") for emotion in ("surprise", "anger", "sadness", "disgust", "fear")}
    assert found == {("neutral", "neutral"), ("joy", "positive"), ("surprise", "positive"), *negative}


def test_a_failure_leaves_the_old_folder_and_nothing_else(params, monkeypatch, tmp_path):
    pytest.importorskip("espeakng_loader")
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "old").touch()

    def fail(*_: object, **__: object) -> None:
        raise ErcError("the disk is full")

    monkeypatch.setattr(corpus, "_write_annotation", fail)
    with pytest.raises(ErcError, match="the disk is full"):
        speak_corpus(folder, params, processes(1))
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["demo", "demo/old"]
