"""Rows of delimited text, with their numbers and lines, up to the first that is damaged."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erc_core.corpora.csv_rows import CsvRow, parse_csv, read_bytes
from erc_core.errors import ErcError


def parse(text, longest_cell=1000, **layout):
    return parse_csv(text, longest_cell=longest_cell, **layout)


def test_rows_are_numbered_as_a_spreadsheet_does_and_by_their_first_line():
    table = parse(' A ,b\x92\r\n\r\n"two\nlines",x\r\ny,"z"')
    assert table.header == ["A", "b’"]
    assert table.rows == [CsvRow(2, 2, []), CsvRow(3, 3, ["two\nlines", "x"]), CsvRow(4, 5, ["y", "z"])]
    assert [row.is_blank for row in table.rows] == [True, False, False]
    assert table.damaged is None


def test_the_header_is_the_first_row_that_is_not_blank():
    table = parse("\n , \na,b\n1,2\n")
    assert table.header == ["a", "b"]
    assert table.rows == [CsvRow(4, 4, ["1", "2"])]
    assert parse(" , \n\n").header == parse("").header == []


@pytest.mark.parametrize("strict", [True, False])
def test_a_quotation_mark_that_is_never_closed_is_told_where_it_opens(strict):
    table = parse('a,b\n"x\ny",1\nz,"never\nclosed,2\n', strict=strict)
    assert table.rows == [CsvRow(2, 2, ["x\ny", "1"])]
    assert table.damaged == CsvRow(3, 4, [])
    assert "never closed" in table.damage


def test_a_stray_quotation_mark_is_damage_where_reading_is_strict():
    text = 'a,b\n"x" y,1\nz,2\n'
    assert [row.cells for row in parse(text).rows] == [["x y", "1"], ["z", "2"]]
    table = parse(text, strict=True)
    assert table.damaged == CsvRow(2, 2, [])
    assert "expected after" in table.damage


def test_a_cell_that_is_too_long_is_damage_and_the_limit_of_the_process_stays():
    limit = csv.field_size_limit()
    text = "a\n" + "x" * (limit + 1) + "\nb\n"
    table = parse(text, longest_cell=limit)
    assert (table.rows, table.damaged) == ([], CsvRow(2, 2, []))
    assert "never closed" not in table.damage
    assert [len(row.cells[0]) for row in parse(text, longest_cell=2 * limit).rows] == [limit + 1, 1]
    assert csv.field_size_limit() == limit


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), min_size=1), min_size=1))
def test_what_the_csv_module_writes_comes_back(rows):
    buffer = io.StringIO()
    csv.writer(buffer).writerows([["header"], *rows])
    assert [row.cells for row in parse(buffer.getvalue(), strict=True).rows] == rows


def test_a_file_that_cannot_be_read_is_one_message(tmp_path):
    with pytest.raises(ErcError, match="not readable: Is a directory"):
        read_bytes(tmp_path)
