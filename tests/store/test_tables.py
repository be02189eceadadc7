"""CSV files: whatever a corpus holds comes back, and no cell of it is a formula to a spreadsheet."""

import csv

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erc_core.errors import ErcError
from erc_core.store.tables import read_csv, write_csv

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
    with pytest.raises(ErcError, match=r"a\.csv: is not the CSV file expected: .*dvc repro --force evaluate"):
        read_csv(tmp_path / "a.csv", pl.Schema({"a": pl.String()}), set(), "evaluate")
