"""The reader of a user's own table: each rule, hostile input, and properties over random tables."""

import csv
import io
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from erc_core.corpora.table.reader import TableSettings, read_table
from erc_core.errors import ErcError
from erc_core.store.utterances import check_utterances

RAVDESS = Path(__file__).parents[4] / "shared/data/ravdess"
SPLITS = ("train", "dev", "test")


def ingest(**changes):
    return TableSettings(**({"format": "table", "file": "table.csv"} | changes))


def read_unchecked(folder, section="ingest.<dataset>", **changes):
    return read_table(folder, ingest(**changes), folder / "nothing", section)


def write(folder, rows, header=("text", "emotion", "split"), name="table.csv"):
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t" if name.endswith(".tsv") else ",").writerows([header, *rows])


def read(folder, **changes):
    corpus = read_unchecked(folder, **changes)
    check_utterances(corpus.utterances, "test")
    return corpus


def problems(folder, **changes):
    with pytest.raises(ErcError) as caught:
        read_unchecked(folder, **changes)
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).split("\n")]


def actions_of(corpus):
    return {(issue.where, issue.kind): issue.action for issue in corpus.issues}


@pytest.fixture
def good():
    """Two emotions in each split."""
    return [[f"words {i}", emotion, SPLITS[i % 3]] for i, emotion in enumerate(["joy", "anger"] * 6)]


@pytest.fixture
def plain():
    """The same, without a split."""
    return [[f"words {i}", emotion] for i, emotion in enumerate(["joy", "anger"] * 20)]


# ---- columns ----


def test_a_plain_table(tmp_path, good):
    write(tmp_path, good)
    corpus = read(tmp_path)
    table = corpus.utterances
    assert table["text"].to_list() == [row[0] for row in good]
    assert table["emotion"].to_list() == [row[1] for row in good]
    assert table["split"].to_list() == [row[2] for row in good]
    assert table["utterance_id"].to_list() == [f"row_{i + 2}" for i in range(12)]
    assert table["dialogue_id"].to_list() == table["utterance_id"].to_list()
    assert set(table["speaker"]) == {""}
    assert set(table["status"]) == {"missing"}
    assert corpus.issues == []
    assert corpus.clips == "raw"
    assert corpus.facts["split"] == "as the table has it"


def test_columns_are_mapped(tmp_path, good):
    write(tmp_path, good, header=("sentence", "label", "part"))
    corpus = read(tmp_path, columns={"text": "sentence", "emotion": "label", "split": "part"})
    assert corpus.utterances["text"].to_list() == [row[0] for row in good]


def test_wrong_mappings_are_told_together_with_the_nearest_names(tmp_path, good):
    write(tmp_path, good, header=("sentence", "label", "split"))
    lines = problems(tmp_path, columns={"text": "sentense", "emotion": "labels"})
    assert lines == [
        "table.csv: row 1: no column 'sentense', to which params map text; the nearest is 'sentence'",
        "table.csv: row 1: no column 'labels', to which params map emotion; the nearest is 'label'",
    ]


def test_missing_columns_are_told_together(tmp_path, good):
    write(tmp_path, good, header=("sentence", "label", "split"))
    lines = problems(tmp_path)
    assert lines[0].startswith("table.csv: row 1: no column 'emotion'; found 'sentence', 'label', 'split'")
    assert lines[1].startswith("table.csv: row 1: no column 'text' and no column 'audio', one is needed")


def test_a_name_in_another_spelling_is_taken_and_recorded(tmp_path, good):
    write(tmp_path, good, header=("Text", "EMOTION", "Split"))
    corpus = read(tmp_path)
    assert corpus.utterances["split"].to_list() == [row[2] for row in good]
    assert actions_of(corpus) == {("table.csv", "column_name"): "read as split"} | actions_of(corpus)
    assert len(corpus.issues) == 3


def test_two_columns_that_could_be_ours_are_refused(tmp_path, good):
    write(tmp_path, good, header=("Text", "emotion", "TEXT"))
    assert "which of the columns ['Text', 'TEXT'] is text?" in problems(tmp_path)[0]


def test_a_used_name_that_occurs_twice_is_refused_and_an_unused_one_is_not(tmp_path, good):
    write(tmp_path, [[*row, "x", "x"] for row in good], header=("text", "emotion", "split", "note", "note"))
    assert len(read(tmp_path).utterances) == 12
    write(tmp_path, good, header=("text", "emotion", "text"))
    assert problems(tmp_path) == ["table.csv: row 1, column text: this name occurs more than once"]


def test_a_column_mapped_to_nothing_is_not_used(tmp_path, plain):
    write(tmp_path, [[*row, "train"] for row in plain])
    corpus = read(tmp_path, columns={"split": ""})
    assert corpus.facts["split"].startswith("seeded")
    assert set(corpus.utterances["split"]) == set(SPLITS)
    assert "no column 'emotion'" in problems(tmp_path, columns={"split": "", "emotion": ""})[0]


# ---- rows ----


def test_everything_wrong_is_told_by_row_and_column_at_once(tmp_path):
    header = ("id", "text", "audio", "feeling", "split", "dialogue_id", "turn")
    rows = [
        ["a", "one", "", "joy", "train", "d1", "1"],
        ["a", "two", "", "", "train", "d1", "2"],
        ["", "three", "", "joy", "eval", "d1", "x"],
        ["d", "", "", "joy", "trian", "", ""],
        ["e", "five", "/etc/passwd", "joy", "", "d2", "1.5"],
        ["f", "six", "../../x.wav", "joy", "dev", "d1", "99999999999"],
        ["g", "seven", "C:\\clips\\x.wav", "joy", "test", "d3", "3.0"],
        ["h", "eight"],
        ["i", "nine", "https://example.org/x.wav", "joy", "test", "d3", "-4", "more"],
    ]
    write(tmp_path, rows, header)
    lines = problems(tmp_path, columns={"utterance_id": "id", "emotion": "feeling"}, split_by="speaker")
    assert lines == [
        "table.csv: row 1: no column 'speaker', but split_by: speaker needs it",
        "table.csv: row 3, column feeling: empty",
        "table.csv: row 3, column id: 'a' is also in row 2",
        "table.csv: row 4, column id: empty",
        "table.csv: row 4, column turn: 'x' is not a whole number",
        "table.csv: row 4, column split: 'eval' is none of train, dev (or validation), test; the nearest is 'val'",
        "table.csv: row 5, column dialogue_id: empty",
        "table.csv: row 5, column turn: empty",
        "table.csv: row 5, column split: 'trian' is none of train, dev (or validation), test; the nearest is 'train'",
        "table.csv: row 5, column text: empty, and so is the audio",
        "table.csv: row 6, column turn: '1.5' is not a whole number",
        "table.csv: row 6, column split: empty",
        "table.csv: row 6, column audio: '/etc/passwd' is not relative to the folder of the table",
        "table.csv: row 7, column turn: '99999999999' is not a whole number",
        "table.csv: row 7, column audio: '../../x.wav' leaves the raw folder",
        "table.csv: row 7, column dialogue_id: 'd1' is in dev, but in train in row 2",
        "table.csv: row 8, column audio: 'C:\\\\clips\\\\x.wav' is not relative to the folder of the table",
        "table.csv: row 9: 2 cells where the header has 7; a cell with a separator in it needs quotation marks",
        "table.csv: row 10: 8 cells where the header has 7; a cell with a separator in it needs quotation marks",
    ]


def test_at_most_fifty_are_told(tmp_path):
    write(tmp_path, [["words", "", "train"]] * 1234)
    lines = problems(tmp_path)
    assert len(lines) == 51
    assert lines[-1] == "table.csv: and 1,186 more"  # the empty dev and test splits are told too


def test_row_numbers_are_those_of_a_spreadsheet(tmp_path, good):
    good.insert(1, ["first line\nsecond line", "joy", "train"])
    good.insert(2, ["", "", ""])
    good.insert(3, ["words", "", "train"])
    write(tmp_path, good)
    assert problems(tmp_path) == ["table.csv: row 5, column emotion: empty"]


def test_blank_rows_are_left_out_and_recorded_once(tmp_path, good):
    write(tmp_path, [good[0], [], ["", " ", ""], *good[1:], [], ["", "", "", ""]])
    corpus = read(tmp_path)
    assert len(corpus.utterances) == 12
    assert [(issue.kind, issue.detail) for issue in corpus.issues] == [("blank_rows", "4 blank rows: 3, 4, 16, 17")]


def test_ids_are_made_from_dialogue_and_turn(tmp_path):
    rows = [[f"words {i}", ("joy", "anger")[i % 2], SPLITS[i // 2], f"d{i // 2}", f"{i % 2}.0"] for i in range(6)]
    write(tmp_path, rows, ("text", "emotion", "split", "dialogue_id", "turn"))
    table = read(tmp_path).utterances
    assert table["utterance_id"].to_list() == ["d0_0", "d0_1", "d1_0", "d1_1", "d2_0", "d2_1"]
    assert table["turn"].to_list() == [0, 1, 0, 1, 0, 1]
    write(tmp_path, [*rows, rows[0]], ("text", "emotion", "split", "dialogue_id", "turn"))
    assert problems(tmp_path) == ["table.csv: row 8, column turn: turn 0 of dialogue 'd0' is also in row 2"]


def test_turns_are_counted_where_there_are_none(tmp_path):
    rows = [[f"words {i}", ("joy", "anger")[i % 2], SPLITS[i // 2], f"d{i // 2}"] for i in (2, 0, 3, 5, 1, 4)]
    write(tmp_path, rows, ("text", "emotion", "split", "dialogue_id"))
    assert read(tmp_path).utterances["turn"].to_list() == [0, 0, 1, 0, 1, 1]


def test_a_turn_twice_is_recorded_where_ids_are_given(tmp_path, good):
    rows = [[*row, f"u{i}", row[2], str(max(i, 3))] for i, row in enumerate(good)]
    write(tmp_path, rows, ("text", "emotion", "split", "utterance_id", "dialogue_id", "turn"))
    corpus = read(tmp_path)
    assert actions_of(corpus) == {("u3", "repeated_turn"): "kept, in the order of the file"}
    assert corpus.issues[0].detail == "row 5, column turn: turn 3 of the same dialogue is also in row 2"


@pytest.mark.parametrize(
    ("word", "split"),
    [
        ("TRAIN", "train"),
        (" Training", "train"),
        ("Val", "dev"),
        ("valid", "dev"),
        ("VALIDATION", "dev"),
        ("development", "dev"),
        ("devel", "dev"),
        ("Test ", "test"),
        ("testing", "test"),
    ],
)
def test_synonyms_of_splits(tmp_path, good, word, split):
    write(tmp_path, [[text, emotion, word if name == split else name] for text, emotion, name in good])
    assert read(tmp_path).utterances["split"].to_list() == [row[2] for row in good]


@pytest.mark.parametrize("word", ["eval", "evaluation", "0", "nan"])
def test_other_words_are_no_splits(tmp_path, good, word):
    write(tmp_path, [*good, ["words", "joy", word]])
    (line,) = problems(tmp_path)
    assert line.startswith(f"table.csv: row 14, column split: '{word}' is none of train, dev (or validation), test")


# ---- labels ----


def test_labels_are_kept_as_written_but_for_white_space(tmp_path):
    labels = [" Freude ", "joy, surprise", "怒り", "😀", "very\nsad", 'so-called "calm"']
    write(tmp_path, [[f"{label} {split}", label, split] for split in SPLITS for label in labels])
    corpus = read(tmp_path)
    assert corpus.utterances["emotion"][:6].to_list() == [
        "Freude",
        "joy, surprise",
        "怒り",
        "😀",
        "very sad",
        'so-called "calm"',
    ]
    assert actions_of(corpus)["table.csv", "comma_in_emotion"] == "kept as one label"
    assert actions_of(corpus)["row_6", "control_characters"] == "read as a space"


def test_labels_that_differ_in_case_are_kept_apart_and_recorded(tmp_path, good):
    write(tmp_path, [*good, ["words", "Joy", "train"], ["words", "JOY!", "train"]])
    corpus = read(tmp_path)
    assert set(corpus.utterances["emotion"]) == {"joy", "Joy", "JOY!", "anger"}
    assert [(issue.kind, issue.where) for issue in corpus.issues] == [("alike_emotions", "table.csv")]
    assert "'JOY!' (1), 'Joy' (1), 'joy' (6)" in corpus.issues[0].detail


def test_an_emotion_that_train_lacks_is_told_once(tmp_path, good):
    write(tmp_path, [*good, ["words", "fear", "dev"], ["more", "fear", "test"], ["again", "awe", "test"]])
    assert problems(tmp_path) == [
        "table.csv: row 14, column emotion: 'fear' occurs in dev but not in train, and so cannot be learned",
        "table.csv: row 16, column emotion: 'awe' occurs in test but not in train, and so cannot be learned",
    ]


def test_a_single_emotion_is_refused(tmp_path, good):
    write(tmp_path, [[text, "joy", split] for text, _, split in good])
    assert problems(tmp_path) == [
        "table.csv: row 1, column emotion: every row has the same emotion: there is nothing to tell apart"
    ]


# ---- text and audio ----


def clip(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(800, np.float32), 8000)


def test_clips_are_found_beside_the_table_and_stored_from_the_raw_folder(tmp_path, good):
    (tmp_path / "lists").mkdir()
    clip(tmp_path / "lists/a b.wav")
    clip(tmp_path / "clips/ü.wav")
    paths = [
        "a b.wav",
        "./a b.wav",
        "../clips/ü.wav",
        "..\\clips\\ü.wav",
        "../lists/../clips/ü.wav",
        "none.wav",
        "",
        ".",
    ]
    rows = [[*row, paths[i] if i < len(paths) else "a b.wav"] for i, row in enumerate(good)]
    rows[5][0] = rows[0][0] = ""
    write(tmp_path, rows, ("text", "emotion", "split", "audio"), name="lists/table.csv")
    corpus = read(tmp_path, file="lists/table.csv")
    found = corpus.utterances["audio_path"].to_list()
    assert found[:8] == ["lists/a b.wav"] * 2 + ["clips/ü.wav"] * 3 + [None] * 3
    assert corpus.utterances["status"].to_list() == ["ok"] * 5 + ["missing"] * 3 + ["ok"] * 4
    assert actions_of(corpus) == {
        ("row_2", "empty_text"): "audio only",
        ("row_7", "empty_text"): "audio only",
        ("row_7", "missing_clip"): "kept, with neither speech nor text",
        ("row_8", "empty_audio"): "text only",
        ("row_9", "missing_clip"): "text only",
    }


def test_links_may_not_leave_the_raw_folder(tmp_path, good):
    raw = tmp_path / "raw"
    clip(tmp_path / "outside.wav")
    clip(raw / "inside.wav")
    (raw / "link.wav").symlink_to(tmp_path / "outside.wav")
    (raw / "up").symlink_to(tmp_path)
    (raw / "fine.wav").symlink_to(raw / "inside.wav")
    (raw / "loop.wav").symlink_to(raw / "loop.wav")
    paths = ["link.wav", "up/outside.wav", "fine.wav", "up/none.wav", "..", "up/raw/inside.wav", "loop.wav"]
    write(
        raw,
        [[*row, (paths + ["inside.wav"] * 9)[i]] for i, row in enumerate(good)],
        ("text", "emotion", "split", "audio"),
    )
    assert problems(raw) == [
        "table.csv: row 2, column audio: 'link.wav' leaves the raw folder",
        "table.csv: row 3, column audio: 'up/outside.wav' leaves the raw folder",
        "table.csv: row 5, column audio: 'up/none.wav' leaves the raw folder",
        "table.csv: row 6, column audio: '..' leaves the raw folder",
    ]


def test_a_raw_folder_that_is_a_link_itself_is_fine(tmp_path, good):
    clip(tmp_path / "real/a.wav")
    write(tmp_path / "real", [[*row, "a.wav"] for row in good], ("text", "emotion", "split", "audio"))
    (tmp_path / "raw").symlink_to(tmp_path / "real")
    assert set(read(tmp_path / "raw").utterances["audio_path"]) == {"a.wav"}


def test_impossible_file_names_are_missing_clips(tmp_path, good):
    names = ["x" * 5000 + ".wav", "a\0b.wav", "a/" * 3000, "clips", "~/x.wav", "a\nb.wav"]
    (tmp_path / "clips").mkdir()
    write(tmp_path, [[*row, names[i % 6]] for i, row in enumerate(good)], ("text", "emotion", "split", "audio"))
    corpus = read(tmp_path)
    assert corpus.utterances["audio_path"].null_count() == 12
    assert sum(issue.kind == "missing_clip" for issue in corpus.issues) == 12
    assert all("\n" not in issue.detail for issue in corpus.issues)


def test_audio_alone(tmp_path, good):
    clip(tmp_path / "a.wav")
    write(tmp_path, [["a.wav", *row[1:]] for row in good], ("audio", "emotion", "split"))
    corpus = read(tmp_path)
    assert set(corpus.utterances["text"]) == {""}
    assert corpus.issues == []
    (tmp_path / "a.wav").unlink()
    assert problems(tmp_path) == ["table.csv: no text, and no clip is there, such as 'a.wav'"]


def test_texts_are_one_line_of_characters_that_can_be_shown(tmp_path, good):
    good[0][0] = "two\r\nlines\tand\x00more\x1b[31m"
    good[1][0] = "x" * 10_000
    good[2][0] = "It\x92s 5\u202f€, naïve"
    good[3][0] = "None"
    write(tmp_path, good)
    corpus = read(tmp_path)
    texts = corpus.utterances["text"].to_list()
    assert texts[:4] == ["two lines and more [31m", "x" * 10_000, "It’s 5\u202f€, naïve", "None"]
    assert actions_of(corpus) == {
        ("row_2", "control_characters"): "read as a space",
        ("row_3", "long_text"): "kept; text.max_tokens cuts it",
        ("row_4", "damaged_encoding"): "read as Windows-1252",
    }


# ---- files ----


def test_bytes_that_are_not_utf_8_are_told_by_row_and_column(tmp_path, good):
    good[0][0], good[1][0] = "It’s “fine” – café €", "Größe"
    write(tmp_path, good)
    text = (tmp_path / "table.csv").read_text(encoding="utf-8")
    first, rest = text.split("Größe")
    (tmp_path / "table.csv").write_bytes(first.encode("cp1252") + b"Gr\xc3\xb6\xc3\x9fe" + rest.encode())
    corpus = read(tmp_path)
    assert corpus.utterances["text"][:2].to_list() == ["It’s “fine” – café €", "Größe"]
    assert actions_of(corpus) == {("row_2", "damaged_encoding"): "read as Windows-1252"}
    assert corpus.issues[0].detail.startswith("row 2, column text: 6 damaged characters (0x92, 0x93, ")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(tmp_path, good, encoding):
    good[0][0] = "Größe"
    write(tmp_path, good)
    text = (tmp_path / "table.csv").read_text(encoding="utf-8")
    (tmp_path / "table.csv").write_text(text, encoding=encoding)
    assert read(tmp_path).utterances["text"][0] == "Größe"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_quotes_separators_and_line_ends(tmp_path, newline, separator):
    first = '"He said ""no"", twice; and, left"'
    lines = [
        f"{first if i == 0 else i}{separator}{('joy', 'anger')[i % 2]}{separator}{SPLITS[i // 2]}" for i in range(6)
    ]
    content = newline.join([separator.join(("text", "emotion", "split")), *lines])
    (tmp_path / "table.csv").write_bytes(content.encode())
    assert read(tmp_path).utterances["text"][0] == 'He said "no", twice; and, left'


def test_tsv_by_suffix(tmp_path, good):
    good[0][0] = 'commas, "quotes" and\ttabs'
    write(tmp_path, good, name="table.TSV".lower())
    assert read(tmp_path, file="table.tsv").utterances["text"][0] == 'commas, "quotes" and tabs'


def test_a_quotation_mark_that_is_never_closed(tmp_path):
    (tmp_path / "table.csv").write_text('text,emotion,split\na,joy,train\n"b,joy,dev\nc,anger,test\n', encoding="utf-8")
    lines = problems(tmp_path)
    assert lines[0].startswith("table.csv: row 3: a quotation mark opens here and is never closed")
    (tmp_path / "table.csv").write_text('"text,emotion,split\na,joy,train\n', encoding="utf-8")
    assert problems(tmp_path)[0].startswith("table.csv: row 1: a quotation mark opens here and is never closed")


def parquet(folder, columns):
    pl.DataFrame(columns).write_parquet(folder / "table.parquet")


def test_parquet_of_other_types(tmp_path, good):
    parquet(
        tmp_path,
        {
            "utterance_id": range(12),
            "text": pl.Series([row[0] for row in good[:-1]] + [None]),
            "emotion": pl.Series([i % 2 for i in range(12)]),
            "split": pl.Series([row[2] for row in good], dtype=pl.Categorical),
            "dialogue_id": pl.Series([float(i) for i in range(12)]),
            "turn": pl.Series([0.0] * 12),
            "speaker": pl.Series([i % 2 == 0 for i in range(12)]),
            "when": pl.Series([None] * 12, dtype=pl.Duration),
            "audio": pl.Series(["x.wav"] * 12, dtype=pl.Enum(["x.wav"])),
        },
    )
    corpus = read(tmp_path, file="table.parquet")
    table = corpus.utterances
    assert table["utterance_id"].to_list() == [str(i) for i in range(12)]
    assert table["dialogue_id"].to_list() == [str(i) for i in range(12)]
    assert table["emotion"].to_list() == ["0", "1"] * 6
    assert table["speaker"][:2].to_list() == ["true", "false"]
    assert table["text"][11] == ""


def test_parquet_columns_without_text(tmp_path, good):
    parquet(
        tmp_path,
        {
            "text": [[row[0]] for row in good],
            "emotion": [row[1] for row in good],
            "split": [row[2] for row in good],
            "audio": [{"bytes": b"RIFF", "path": "x.wav"}] * 12,
            "image": [b"\x89PNG"] * 12,
        },
    )
    lines = problems(tmp_path, file="table.parquet")
    assert [line.split(": its type is")[0] for line in lines] == [
        "table.parquet: row 1, column text",
        "table.parquet: row 1, column audio",
    ]


HEADER = b"text,emotion,split\n"
HOSTILE = {
    "empty.csv": (b"", "the file is empty"),
    "white.csv": (b" \n\n\t\n", "the file is empty"),
    "mark.csv": (b"\xef\xbb\xbf", "the file is empty"),
    "utf16.csv": (b"\xff\xfe", "the file is empty"),
    "wide.csv": ("\u3000\n\u3000".encode(), "the file is empty"),
    "commas.csv": (b",,,\n,,\n", "the file is empty"),
    "header.csv": (HEADER, "has a header ('text', 'emotion', 'split') but no rows"),
    "odd16.csv": (b"\xff\xfea\x00b", "damaged"),
    "png.csv": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "no column 'emotion'"),
    "binary.csv": (bytes(range(256)) * 20, "not a text table, its first line holds control characters"),
    "zeros.csv": (bytes(5000), "not a text table"),
    "book.csv": (b"PK\x03\x04\x14\x00", "not a text table but a workbook or a zip archive"),
    "parquet.csv": (b"PAR1\x15\x04", "not a text table but Parquet"),
    "text.parquet": (HEADER, "not readable as Parquet"),
    "magic.parquet": (b"PAR1" + bytes(100) + b"PAR1", "not readable as Parquet"),
    "huge.parquet": (b"PAR1" + b"\xff" * 100 + b"\xff\xff\xff\x7fPAR1", "not readable as Parquet"),
    "table.xlsx": (b"PK\x03\x04", "a table is expected to end in .csv, .tsv, .parquet"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_files_that_are_no_table(tmp_path, name):
    content, expected = HOSTILE[name]
    (tmp_path / name).write_bytes(content)
    lines = problems(tmp_path, file=name)
    assert lines[0].startswith(f"{name}: ")
    assert expected in lines[0]
    assert len(lines) <= 2
    assert all(line.isprintable() for line in lines)


def test_the_file_lies_inside_the_raw_folder(tmp_path, good):
    raw = tmp_path / "raw"
    raw.mkdir()
    write(tmp_path, good)
    write(raw, good, name="other.csv")
    (raw / "link.csv").symlink_to(tmp_path / "table.csv")
    for name in ("../table.csv", str(tmp_path / "table.csv"), "link.csv"):
        assert "`file` must lie inside the raw folder" in problems(raw, file=name)[0]
    where = ". ingest.<dataset>.file names the table, ingest.<dataset>.raw_dir its folder"
    assert problems(raw, file="none.csv") == [f"none.csv: not found; found link.csv, other.csv{where}"]
    assert "not found" in problems(raw, file="a\0b.csv")[0]
    assert "not found" in problems(raw, file=".")[0]


def test_a_folder_that_is_not_there_is_one_message(tmp_path):
    with pytest.raises(ErcError) as caught:
        read_unchecked(tmp_path / "nowhere", "ingest.my_corpus", file="mine.csv")
    message = str(caught.value)
    for part in (str(tmp_path / "nowhere"), "no such folder", "mine.csv", "own_corpus.md", "ingest.my_corpus.raw_dir"):
        assert part in message
    assert "\n" not in message


def test_a_cell_longer_than_the_csv_module_allows(tmp_path, good):
    limit = csv.field_size_limit()
    good[0][0] = "x" * (limit + 1)
    write(tmp_path, good)
    assert len(read(tmp_path).utterances["text"][0]) == limit + 1
    assert csv.field_size_limit() == limit


# ---- splits ----


def dialogues(count, turns=5, speakers=2):
    """Rows of dialogue_id, turn, speaker, text, emotion."""
    return [
        [
            f"d{d}",
            str(t),
            f"s{(d * speakers + t % speakers) % 40}",
            f"words {d} {t}",
            ("joy", "anger", "calm")[(d + t) % 3],
        ]
        for d in range(count)
        for t in range(turns)
    ]


DIALOGUE_HEADER = ("dialogue_id", "turn", "speaker", "text", "emotion")


def test_dialogues_stay_whole_and_shares_are_met(tmp_path):
    write(tmp_path, dialogues(60), DIALOGUE_HEADER)
    table = read(tmp_path).utterances
    assert table.group_by("dialogue_id").agg(pl.col("split").n_unique())["split"].max() == 1
    counts = dict(table["split"].value_counts().rows())
    assert counts == {"train": 210, "dev": 30, "test": 60}


def test_speakers_stay_whole(tmp_path):
    write(tmp_path, dialogues(60), DIALOGUE_HEADER)
    table = read(tmp_path, split_by="speaker").utterances
    for column in ("speaker", "dialogue_id"):
        assert table.group_by(column).agg(pl.col("split").n_unique())["split"].max() == 1
    assert set(table["split"]) == set(SPLITS)


def test_speakers_in_two_splits_of_the_table_are_told(tmp_path, good):
    rows = [[*row, row[2]] for row in good]
    rows[3][3] = "dev"
    rows[4][3] = ""
    write(tmp_path, rows, ("text", "emotion", "split", "speaker"))
    assert len(read(tmp_path).utterances) == 12
    assert problems(tmp_path, split_by="speaker") == [
        "table.csv: row 5, column speaker: 'dev' is in train, but in dev in row 3",
        "table.csv: row 6, column speaker: empty",
    ]


def test_too_few_speakers(tmp_path, plain):
    write(tmp_path, [[*row, f"s{i % 2}"] for i, row in enumerate(plain)], ("text", "emotion", "speaker"))
    (line,) = problems(tmp_path, split_by="speaker")
    assert line.startswith("table.csv: seeded split by whole speakers (linked ones, who share a dialogue, count once)")
    assert line.endswith(": 2 found, at least 3 are needed: one each for train, dev and test")


def test_speakers_who_all_talk_to_each_other_cannot_be_split(tmp_path):
    rows = [[f"d{i // 2}", f"s{i // 2 + i % 2}", f"words {i}", ("joy", "anger")[i % 2]] for i in range(40)]
    write(tmp_path, rows, ("dialogue_id", "speaker", "text", "emotion"))
    assert "1 found, at least 3 are needed" in problems(tmp_path, split_by="speaker")[0]


def test_every_emotion_is_in_train(tmp_path, plain):
    """Also one that occurs once, whatever the seed."""
    write(tmp_path, [*plain, ["words", "awe"]], ("text", "emotion"))
    for seed in range(20):
        table = read(tmp_path, seed=seed).utterances
        assert table.filter(pl.col("emotion") == "awe")["split"].to_list() == ["train"]


def test_emotions_that_cannot_all_be_in_train(tmp_path):
    write(tmp_path, [["a", "joy"], ["b", "anger"], ["c", "joy"]], ("text", "emotion"))
    (line,) = problems(tmp_path)
    assert "3 found, but dev and test cannot be filled without taking an emotion from train" in line
    assert "only one of them has 'anger'" in line


def test_the_only_possible_split_is_found(tmp_path):
    """Drawing d1 first would leave nothing for dev, whatever its place in the draw."""
    rows = [("d0", "joy"), ("d1", "joy"), ("d1", "anger"), ("d2", "anger")]
    write(tmp_path, [[d, f"words {i}", e] for i, (d, e) in enumerate(rows)], ("dialogue_id", "text", "emotion"))
    for seed in range(12):
        table = read(tmp_path, seed=seed).utterances
        assert table.filter(pl.col("split") == "train")["dialogue_id"].unique().to_list() == ["d1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dev_share": 0.4, "test_share": 0.7}, "allowed is less than 1 together with dev_share"),
        ({"columns": {"speeker": "who"}}, "columns.speeker: unknown name; the nearest is 'speaker'"),
    ],
)
def test_what_no_table_could_satisfy_is_told_by_the_parameters(changes, message):
    with pytest.raises(ValidationError, match=message):
        ingest(**changes)


def test_copies_without_ids_stay_in_one_split(tmp_path, plain):
    write(tmp_path, plain + plain, ("text", "emotion"))
    table = read(tmp_path).utterances
    assert table.group_by("text").agg(pl.col("split").n_unique())["split"].max() == 1


def test_an_empty_split_of_the_table(tmp_path, good):
    write(tmp_path, [row for row in good if row[2] != "dev"])
    assert problems(tmp_path) == [
        "table.csv: no row is in the dev split; columns: {split: ''} makes a seeded split instead"
    ]


# ---- properties ----

QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
CELLS = st.one_of(
    st.sampled_from(
        ["", " ", "joy", "anger", "train", "dev", "test", "1", "2", "a.wav", "../x", 'q"q', "a,b", "l\nm", "\0"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)


def read_or_refuse(folder, **changes):
    """Return the corpus and no refusal, or no corpus and the refusal."""
    try:
        return read_unchecked(folder, **changes), ""
    except ErcError as error:
        return None, str(error)


NAMES = ("utterance_id", "text", "audio", "emotion", "split", "dialogue_id", "turn", "speaker", "other")


@QUICK
@given(data=st.data())
def test_any_table_is_read_or_refused(tmp_path, data):
    """Any cells under any of our columns: a checked corpus with every row that is not blank, or an ErcError."""
    header = data.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=9, unique=True))
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(header), max_size=len(header)), max_size=12))
    suffix = data.draw(st.sampled_from(["csv", "tsv", "parquet"]))
    split_by = data.draw(st.sampled_from(["dialogue", "speaker"]))
    if suffix == "parquet":
        pl.DataFrame(rows, schema=dict.fromkeys(header, pl.String), orient="row").write_parquet(tmp_path / "t.parquet")
    else:
        write(tmp_path, rows, header, f"t.{suffix}")
    corpus, refusal = read_or_refuse(tmp_path, file=f"t.{suffix}", split_by=split_by)
    if corpus is None:
        assert all(line.isprintable() for line in refusal.split("\n"))
        return
    used = [i for i, name in enumerate(header) if name != "other"]
    assert len(corpus.utterances) == sum(any(row[i].strip() for i in used) for row in rows)
    check_utterances(corpus.utterances, "test")


@QUICK
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])), min_size=12, max_size=30),
    suffix=st.sampled_from(["csv", "tsv", "parquet"]),
)
def test_texts_come_back_as_they_are(tmp_path, texts, suffix):
    """Commas, quotation marks and all of Unicode, in rows that have all else."""
    texts = [text.strip() or "words" for text in texts]
    rows = [[text, ("joy", "anger")[i % 2], SPLITS[i // 2 % 3], f"u{i}"] for i, text in enumerate(texts)]
    header = ("text", "emotion", "split", "utterance_id")
    if suffix == "parquet":
        pl.DataFrame(rows, schema=dict.fromkeys(header, pl.String), orient="row").write_parquet(tmp_path / "t.parquet")
    else:
        write(tmp_path, rows, header, f"t.{suffix}")
    assert read(tmp_path, file=f"t.{suffix}").utterances["text"].to_list() == texts


@QUICK
@given(content=st.binary(max_size=300), name=st.sampled_from(["t.csv", "t.tsv", "t.parquet"]), header=st.booleans())
def test_any_bytes_are_read_or_refused(tmp_path, content, name, header):
    (tmp_path / name).write_bytes(HEADER + content if header else content)
    with pytest.raises(ErcError) as caught:
        read_unchecked(tmp_path, file=name)
    assert all(line.isprintable() for line in str(caught.value).split("\n"))


@QUICK
@given(seed=st.integers(0, 2**32))
def test_damaged_parquet_is_read_or_refused(tmp_path, seed):
    table = pl.DataFrame({"text": ["a", "b"] * 9, "emotion": ["joy", "joy", "anger"] * 6, "split": list(SPLITS) * 6})
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    content, chance = bytearray(buffer.getvalue()), random.Random(seed)
    for _ in range(chance.randint(1, 5)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    (tmp_path / "t.parquet").write_bytes(bytes(content[: chance.choice([None, chance.randrange(len(content))])]))
    read_or_refuse(tmp_path, file="t.parquet")


@st.composite
def conversations(draw):
    """Rows of dialogues of random lengths; every emotion occurs often."""
    lengths = draw(st.lists(st.integers(1, 9), min_size=12, max_size=40))
    places = [(d, t) for d, length in enumerate(lengths) for t in range(length)]
    return [
        [f"d{d}", str(t), f"s{d // 2}{t % 2}", f"{d} {t}", ("joy", "anger")[draw(st.integers(0, 1))]] for d, t in places
    ]


@QUICK
@given(rows=conversations(), chance=st.randoms(use_true_random=False), by=st.sampled_from(["dialogue", "speaker"]))
def test_splits_are_whole_near_their_shares_and_independent_of_the_order(tmp_path, rows, chance, by):
    write(tmp_path, rows, DIALOGUE_HEADER)
    corpus, refusal = read_or_refuse(tmp_path, file="table.csv", split_by=by, seed=3)
    if corpus is None:
        assert "cannot be filled without taking an emotion" in refusal or "every row has the same" in refusal
        return
    table = corpus.utterances
    for column in ("dialogue_id", by if by == "speaker" else "dialogue_id"):
        assert table.group_by(column).agg(pl.col("split").n_unique())["split"].max() == 1
    counts = dict(table["split"].value_counts().rows())
    assert set(counts) == set(SPLITS)
    assert set(table.filter(pl.col("split") == "train")["emotion"]) == set(table["emotion"])
    largest = table.group_by("dialogue_id").len()["len"].max() * (2 if by == "speaker" else 1)
    for split, share in (("dev", 0.1), ("test", 0.2)):
        assert abs(counts[split] - share * len(rows)) <= largest
    shuffled = chance.sample(rows, len(rows))
    write(tmp_path, shuffled, DIALOGUE_HEADER)
    again = read(tmp_path, split_by=by, seed=3).utterances
    assert dict(again.select("utterance_id", "split").rows()) == dict(table.select("utterance_id", "split").rows())


def test_rows_without_ids_are_split_whatever_their_order(tmp_path, plain):
    write(tmp_path, plain, ("text", "emotion"))
    splits = dict(read(tmp_path).utterances.select("text", "split").rows())
    write(tmp_path, plain[::-1], ("text", "emotion"))
    assert dict(read(tmp_path).utterances.select("text", "split").rows()) == splits
    assert dict(read(tmp_path, seed=1).utterances.select("text", "split").rows()) != splits


# ---- real ----


@pytest.mark.skipif(not RAVDESS.is_dir(), reason="RAVDESS is not here")
def test_ravdess():
    corpus = read(RAVDESS, file="ravdess.csv", split_by="speaker")
    table = corpus.utterances
    assert len(table) == 1440
    assert corpus.issues == []
    assert table["audio_path"].null_count() == 0
    assert table["emotion"].n_unique() == 8
    speakers = {split: sorted(set(table.filter(pl.col("split") == split)["speaker"])) for split in SPLITS}
    assert speakers == {
        "train": [f"Actor_{i:02d}" for i in range(1, 17)],
        "dev": [f"Actor_{i:02d}" for i in range(17, 21)],
        "test": [f"Actor_{i:02d}" for i in range(21, 25)],
    }
