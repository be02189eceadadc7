"""Tables: what is written comes back or is told as damaged, and no cell of a CSV file is a formula to a spreadsheet."""

import csv
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erc_core.errors import ErcError
from erc_core.store.tables import read_csv, read_parquet, write_csv, write_parquet

FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1"]


def test_a_formula_stands_behind_an_apostrophe_and_comes_back_without(tmp_path):
    texts = [*FORMULAS, "'=1", "''=1", "'quoted'", "plain", "a = b", '"=1"']
    table = pl.DataFrame({"text": texts, "x": [-1.5] * len(texts)})
    write_csv(table, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert [row[0] for row in rows] == [*(f"'{text}" for text in texts[:-4]), *texts[-4:]]
    assert {row[1] for row in rows} == {"-1.5"}
    assert read_csv(tmp_path / "a.csv", table.schema, set(), "card").equals(table)


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), min_size=1, max_size=4, unique=True
    ),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), min_size=4, max_size=4),
)
def test_names_of_columns_and_cells_come_back_whatever_they_are(tmp_path_factory, names, cells):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    table = pl.DataFrame({f"p_{name}": cell for name, cell in zip(names, cells, strict=False)})
    write_csv(table, path)
    assert read_csv(path, table.schema, set(), "card").equals(table)


def test_a_file_of_bytes_that_are_no_text_is_damaged(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(ErcError, match=r"a\.csv: is not the CSV file expected: .*erc_core.run.mend .*dvc repro"):
        read_csv(tmp_path / "a.csv", pl.Schema({"a": pl.String()}), set(), "evaluate")


TABLE = pl.DataFrame({"id": ["a", "é", None], "turn": [1, 2, 3]})


def refusal(path: Path, schema: pl.Schema | None = None) -> str:
    with pytest.raises(ErcError) as caught:
        read_parquet(path, "ingest", schema)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_table_is_read_as_it_was_written_and_by_any_reader_of_parquet(tmp_path):
    for name in ("x.parquet", "y.parquet"):
        write_parquet(TABLE, tmp_path / name)
        assert read_parquet(tmp_path / name, "ingest", TABLE.schema).equals(TABLE)
        assert pl.read_parquet(tmp_path / name).equals(TABLE)
    assert (tmp_path / "x.parquet").read_bytes() == (tmp_path / "y.parquet").read_bytes()
    assert len(pl.read_parquet_metadata(tmp_path / "x.parquet")["checksum"]) == 32


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_every_flipped_byte_is_told(tmp_path, mask, capfd):
    path = tmp_path / "x.parquet"
    write_parquet(TABLE, path)
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :])
        assert refusal(path).endswith(
            f"the stage ingest makes it; run `python -m erc_core.run.mend {path}`, then `dvc repro`"
        )
    assert capfd.readouterr() == ("", "")


def test_every_cut_is_told(tmp_path, capfd):
    path = tmp_path / "x.parquet"
    write_parquet(TABLE, path)
    content = path.read_bytes()
    for end in range(len(content)):
        path.write_bytes(content[:end])
        assert "damaged" in refusal(path)
    assert capfd.readouterr() == ("", "")


def test_a_table_of_another_hand_is_told(tmp_path):
    TABLE.write_parquet(tmp_path / "x.parquet")
    assert "damaged (its checksum is not that of its content)" in refusal(tmp_path / "x.parquet")


def test_other_columns_are_told(tmp_path):
    path = tmp_path / "x.parquet"
    write_parquet(TABLE, path)
    schema = pl.Schema(TABLE.schema)
    assert "has not the columns expected (speaker)" in refusal(path, pl.Schema({**schema, "speaker": pl.String()}))
    assert "has not the columns expected (turn)" in refusal(path, pl.Schema({**schema, "turn": pl.Int32()}))
    assert "has not the columns expected (one too many)" in refusal(path, pl.Schema({"id": pl.String()}))
