"""Raw folders with all that is odd or hostile in them, through ingest, resample and the data card: one clear record each."""

import csv
import struct
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from closure import ROOT
from made_up_clips import tones, write_mp4

from erc_core.errors import ErcError
from erc_core.params.data import IemocapIngest, IngestParams, MeldIngest, TableIngest
from erc_core.params.load import load_params
from stages import card, ingest, resample

RATE = 16000
LONG = "word " * 2000
ODD_TEXT = "\x07bell, \x00 NUL\x1b[31m and\na line"
MELD_COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
TRAIN, DEV, TEST = "train_splits", "dev_splits_complete", "output_repeated_splits_test"
TABLE = TableIngest(format="table", file="table.csv")


class Workspace:
    """A folder to run the stages of one dataset in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.raw = root / "data/raw/mine"
        self.raw.mkdir(parents=True)
        loaded = load_params(ROOT / "params.yaml")
        parallel = loaded.parallel.model_copy(update={"workers": 1})
        audio = loaded.audio.model_copy(update={"max_seconds": 1.0})
        self.params = loaded.model_copy(update={"parallel": parallel, "audio": audio})

    def with_section(self, section: IngestParams):
        return self.params.model_copy(update={"ingest": {"mine": section}})

    def run(self, section: IngestParams) -> tuple[pl.DataFrame, dict[tuple[str, str], str]]:
        """Return the utterances, and (where, kind) -> what was done, of each record in data_issues.csv."""
        before = files_below(self.raw)
        for stage in (ingest, resample, card):
            stage.main(self.with_section(section), "mine")
        assert files_below(self.raw) == before
        assert names_in(self.root) == {"data", "reports", ".scratch"}
        assert not any(path.is_file() for path in files_below(self.root / ".scratch"))
        assert names_in(self.root / "data") == {"raw", "mine", "cards"}
        assert names_in(self.root / "data/cards") == {"mine.json"}
        issues = pl.read_csv(self.root / "reports/mine/data_issues.csv", infer_schema=False).fill_null("")
        assert all(text.isprintable() for column in issues.iter_columns() for text in column)
        assert all(issues["detail"].str.len_chars() > 0)
        records = {tuple(row[:2]): row[2] for row in issues.select("where", "kind", "action").iter_rows()}
        assert len(records) == len(issues)
        return pl.read_parquet(self.root / "data/mine/utterances.parquet"), records


def files_below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    root = tmp_path / "workspace"
    root.mkdir()
    monkeypatch.chdir(root)
    return Workspace(root)


def write_wav(path: Path, *, pitch: float = 300.0, value: float | None = None, promised: int | None = None) -> None:
    """Write half a second, if wanted with one sample that is no number, or with a header that promises more."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = tones("mono", rate=RATE, pitch=pitch)[0]
    if value is not None:
        samples[100] = value
    soundfile.write(path, samples, RATE, subtype="FLOAT" if value is not None else "PCM_16")
    if promised is not None:
        content = bytearray(path.read_bytes())
        content[4:8] = content[40:44] = struct.pack("<I", promised)
        path.write_bytes(content)


def write_annotation(folder: Path, split: str, rows: list[tuple[str, str, int, int]]) -> None:
    """Write a split's CSV from rows of text, emotion, dialogue and utterance."""
    with (folder / f"{split}_sent_emo.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(MELD_COLUMNS)
        writer.writerows((text, "Ross", emotion, dialogue, utterance) for text, emotion, dialogue, utterance in rows)


def test_every_oddity_of_meld_is_listed_by_name_with_what_was_done(workspace):
    raw = workspace.raw
    texts = {8: LONG, 9: ODD_TEXT, 10: "don\x92t"}
    emotions = {11: "joy,\nanger"}
    train = [(texts.get(k, f"text {k}"), emotions.get(k, ("joy", "fear")[k % 2]), 125, k) for k in range(13)]
    write_annotation(raw, "train", train)
    write_annotation(raw, "dev", [("a", "joy", 0, 0), ("b", "fear", 0, 1), ("c", "fear", 110, 7)])
    write_annotation(raw, "test", [("a", "joy", 0, 0), ("b", "fear", 38, 4)])
    for k in (0, 8, 9, 10, 11):
        write_mp4(raw / TRAIN / f"dia125_utt{k}.mp4", "5.1", pitch=200 + 20 * k)
    write_mp4(raw / TRAIN / "dia125_utt1.mp4", "stereo", seconds=0.04)
    (raw / TRAIN / "dia125_utt2.mp4").touch()
    write_mp4(raw / TRAIN / "dia125_utt3.mp4", "5.1")
    whole = (raw / TRAIN / "dia125_utt3.mp4").read_bytes()
    (raw / TRAIN / "dia125_utt3.mp4").write_bytes(whole[: whole.index(b"moov") - 4])
    write_wav(raw / TRAIN / "dia125_utt4.wav", value=np.nan)
    write_wav(raw / TRAIN / "dia125_utt5.wav", value=np.inf)
    write_wav(raw / TRAIN / "dia125_utt6.wav", promised=0xFFFFFFF0, pitch=700)
    soundfile.write(raw / TRAIN / "dia125_utt7.wav", np.zeros(RATE), RATE)
    soundfile.write(raw / TRAIN / "dia125_utt12.wav", tones("5.1", rate=RATE, pitch=150).T, RATE, format="WAVEX")
    for k, name in enumerate(("dia0_utt0", "dia0_utt1", "dia49_utt4", "._dia0_utt0")):
        write_mp4(raw / DEV / f"{name}.mp4", "mono", pitch=250 + 30 * k)
    write_mp4(raw / TEST / "dia0_utt0.mp4", "stereo", pitch=310)
    write_mp4(raw / TEST / "final_videos_testdia0_utt0.mp4", "stereo", pitch=330)
    write_mp4(raw / TEST / "dia38_utt4.mp4", "5.1", seconds=1.5)

    table, records = workspace.run(MeldIngest(format="meld"))
    assert records == {
        ("train_dia125_utt1", "too_short"): "text only",
        ("train_dia125_utt2", "empty"): "text only",
        ("train_dia125_utt3", "undecodable"): "text only",
        ("train_dia125_utt4", "not_finite"): "text only",
        ("train_dia125_utt5", "not_finite"): "text only",
        ("train_dia125_utt6", "cut_off"): "used as far as it goes",
        ("train_dia125_utt7", "silent"): "text only",
        ("train_dia125_utt8", "long_text"): "kept; text.max_tokens cuts it",
        ("train_dia125_utt9", "control_characters"): "read as a space",
        ("train_dia125_utt10", "damaged_encoding"): "read as Windows-1252",
        ("train_dia125_utt11", "control_characters"): "read as a space",
        ("train_dia125_utt11", "unknown_emotion"): "left out",
        ("dev_dia110_utt7", "missing_clip"): "text only",
        (f"{DEV}/dia49_utt4.mp4", "clip_without_row"): "left out",
        ("test_dia38_utt4", "too_long"): "cut to audio.max_seconds",
    }
    texts = dict(table.select("utterance_id", "text").iter_rows())
    assert len(texts) == 12 + 3 + 2
    assert all(texts.values())
    assert texts["train_dia125_utt9"] == " bell,   NUL [31m and a line"
    assert texts["train_dia125_utt10"] == "don’t"
    clips = pl.read_parquet("data/mine/clips.parquet").filter(pl.col("status").is_in(["ok", "cut_off"]))
    seconds = dict(clips.select("utterance_id", "seconds").iter_rows())
    assert seconds["train_dia125_utt6"] == seconds["train_dia125_utt12"] == 0.5
    assert "| test twins preferred | 1 |" in Path("reports/mine/data.md").read_text(encoding="utf-8")


def test_annotation_alone_is_two_lines_and_not_one_for_each_utterance(workspace, capsys):
    for split, n in (("train", 60), ("dev", 20), ("test", 30)):
        rows = [(f"{split} {k}", ("joy", "fear")[k % 2], k // 10, k) for k in range(n)]
        write_annotation(workspace.raw, split, rows)
    table, records = workspace.run(MeldIngest(format="meld"))
    assert records == {
        ("all splits", "no_clips"): "text only",
        ("all splits", "missing"): "text only",
    }
    assert all(table["text"])
    page = Path("reports/mine/data.md").read_text(encoding="utf-8")
    assert "none of 110 utterances has a clip" in page
    assert "none of 110 utterances has any: only text can be learned" in page
    assert "there is no clip at all; text alone can be learned (-S model.modality=T)" in capsys.readouterr().out


def write_table(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ("text", "audio", "emotion", "split"))
        writer.writeheader()
        writer.writerows(rows)


def test_odd_cells_and_clips_of_an_own_table_have_a_record_each(workspace):
    raw = workspace.raw
    write_wav(raw / "good.wav")
    write_wav(raw / "nan.wav", value=np.nan)
    write_wav(raw / "inf.wav", value=-np.inf)
    write_wav(raw / "promise.wav", promised=0xFFFFFFF0)
    (raw / "empty.wav").touch()
    odd = [
        {"audio": "nan.wav"}, {"audio": "inf.wav"}, {"audio": "promise.wav"}, {"audio": "empty.wav"}, {"text": LONG},
        {"text": ODD_TEXT}, {"emotion": "joy, or fear"}, {"emotion": "joy\nor fear"}, {"audio": "none.wav"},
    ]  # fmt: skip
    plain = {"text": "words", "audio": "good.wav", "emotion": "joy", "split": "train"}
    rows = [plain | one for one in odd] + [plain | {"split": split} for split in ("dev", "test")]
    write_table(raw, rows)
    table, records = workspace.run(TABLE)
    assert records == {
        ("row_2", "not_finite"): "text only",
        ("row_3", "not_finite"): "text only",
        ("row_4", "cut_off"): "used as far as it goes",
        ("row_5", "empty"): "text only",
        ("row_6", "long_text"): "kept; text.max_tokens cuts it",
        ("row_7", "control_characters"): "read as a space",
        ("row_9", "control_characters"): "read as a space",
        ("row_10", "missing_clip"): "text only",
        ("table.csv", "comma_in_emotion"): "kept as one label",
        ("table.csv", "alike_emotions"): "kept apart",
    }
    assert table["emotion"].to_list()[6:8] == ["joy, or fear", "joy or fear"]
    assert len(table) == len(rows)


@pytest.mark.parametrize("audio", ["../out.wav", "/etc/passwd", "a/../../out.wav", "link.wav"])
def test_an_audio_path_that_leaves_the_folder_is_told_and_nothing_is_written(workspace, audio):
    write_wav(workspace.raw.parent / "out.wav")
    (workspace.raw / "link.wav").symlink_to(workspace.raw.parent / "out.wav")
    rows = [{"text": "a", "audio": audio, "emotion": "joy", "split": split} for split in ("train", "dev", "test")]
    write_table(workspace.raw, rows)
    with pytest.raises(ErcError, match=r"table\.csv: row 2, column audio: "):
        workspace.run(TABLE)
    assert files_below(workspace.root / "data/mine") == []


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (MeldIngest(format="meld", raw_dir="nowhere"), "affective-meld.github.io"),
        (IemocapIngest(format="iemocap", raw_dir="nowhere"), "sail.usc.edu/iemocap"),
        (TableIngest(format="table", file="table.csv", raw_dir="nowhere"), "table.csv"),
    ],
)
def test_an_absent_folder_is_one_line_that_names_the_section_of_the_dataset(workspace, section, told):
    with pytest.raises(ErcError) as caught:
        ingest.main(workspace.with_section(section), "mine")
    message = str(caught.value)
    assert "\n" not in message
    assert all(part in message for part in ("nowhere", told, "ingest.mine.raw_dir"))
    assert files_below(workspace.root / "data/mine") == []


def test_a_clip_folder_that_has_gone_is_told_before_every_clip_is_called_missing(workspace):
    write_wav(workspace.raw / "good.wav")
    row = {"text": "a", "audio": "good.wav"}
    splits, emotions = ("train", "dev", "test"), ("joy", "fear")
    write_table(workspace.raw, [row | {"emotion": e, "split": split} for split in splits for e in emotions])
    workspace.run(TABLE)
    workspace.raw.rename(workspace.raw.with_name("elsewhere"))
    with pytest.raises(ErcError, match=r"data/raw/mine: no such folder, but ingest found 6 clips there"):
        resample.main(workspace.with_section(TABLE), "mine")
