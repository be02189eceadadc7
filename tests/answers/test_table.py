import polars as pl
from made_up_answers import answered
from polars.testing import assert_frame_equal

from erc_core.answers.table import write_tables


def written(given, folder):
    csv, parquet = folder / "predictions.csv", folder / "predictions.parquet"
    write_tables(given, csv, parquet)
    return pl.read_csv(csv), pl.read_parquet(parquet)


def test_all_columns_and_rows_are_kept_in_their_order(tmp_path):
    given = answered(5, note=["a", "b", None, "d", "e"])
    csv, parquet = written(given, tmp_path)
    assert_frame_equal(parquet, given.table)
    assert csv.columns == given.table.columns
    assert csv["note"].to_list() == given.table["note"].to_list()


def test_a_text_that_a_spreadsheet_would_compute_stands_behind_an_apostrophe(tmp_path):
    csv, parquet = written(answered(1, texts=["=HYPERLINK(1)"]), tmp_path)
    assert csv["text"].item() == "'=HYPERLINK(1)"
    assert parquet["text"].item() == "=HYPERLINK(1)"


def test_audio_is_relative_to_the_table(tmp_path):
    folder = tmp_path / "out"
    clips = [str(tmp_path / "clips" / "a.wav"), None]
    csv, parquet = written(answered(2, audio=clips), folder)
    assert csv["audio"].to_list() == parquet["audio"].to_list() == ["../clips/a.wav", None]


def test_a_column_of_lists_is_in_the_parquet_alone(tmp_path):
    csv, parquet = written(answered(2, words=[["a"], ["b", "c"]]), tmp_path)
    assert "words" not in csv.columns
    assert parquet["words"].to_list() == [["a"], ["b", "c"]]
