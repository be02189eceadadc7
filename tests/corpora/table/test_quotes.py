"""Quotation marks in tables: no row is swallowed without a message, none of the text is lost where tabs separate."""

import csv
import io

import pytest

from erc_core.corpora.table.file import read_file
from erc_core.corpora.table.issues import Findings

ROWS = [f"text {n},joy,d{n}" for n in range(2, 29)]


def read(tmp_path, text, suffix=".csv"):
    path = tmp_path / f"a{suffix}"
    path.write_text(text, encoding="utf-8", newline="")
    findings = Findings(path)
    return read_file(path, findings), [problem for _, problem in findings.problems], findings.issues


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ('"Oh no,joy,d7', '"Well,joy,d17'),  # both begin with one
        ('"To be,joy,d7', 'or not",joy,d17'),  # a quotation over several rows
        ('"Oh no,joy,d7', 'a "word",joy,d17'),
    ],
)
def test_rows_between_two_quotation_marks_are_not_swallowed(tmp_path, first, last):
    rows = [*ROWS]
    rows[5], rows[15] = first, last
    _, problems, _ = read(tmp_path, "\n".join(["text,emotion,dialogue", *rows]))
    assert len(problems) == 1
    assert "row 7: lines 7 to 17: " in problems[0]
    assert "write a quotation mark of the text twice" in problems[0]
    # the remedy
    rows[5] = '"""' + first[1:].replace(",joy", '",joy')
    rows[15] = ",".join(['"' + last.split(",")[0].replace('"', '""') + '"', "joy", "d17"])
    table, problems, _ = read(tmp_path, "\n".join(["text,emotion,dialogue", *rows]))
    assert problems == []
    assert len(table.rows) == 27
    assert table.rows[5][1]["text"] == first.split(",")[0]


def test_line_breaks_and_commas_of_a_text_are_read(tmp_path):
    table, problems, _ = read(tmp_path, 'text,emotion\n"Well, hello\nthere, you",joy\n"a\nb",fear\n"x,\ny",joy\n')
    assert problems == []
    assert [row["text"] for _, row in table.rows] == ["Well, hello\nthere, you", "a\nb", "x,\ny"]


def test_quotation_marks_around_a_part_of_a_cell_stay(tmp_path):
    table, problems, issues = read(tmp_path, 'text,emotion\n"Hello" he said,joy\n')
    assert (problems, table.rows[0][1]["text"]) == ([], '"Hello" he said')
    assert [(issue.kind, issue.action) for issue in issues] == [("stray_quotation_marks", "kept as part of the text")]
    _, problems, _ = read(tmp_path, 'text,emotion\n"Hello, you" he said,joy\n')
    assert "row 2: line 2: a cell in quotation marks goes on after the closing one" in problems[0]


@pytest.mark.parametrize("suffix", [".tsv", ".csv"])
def test_where_tabs_separate_quotation_marks_are_text(tmp_path, suffix):
    texts = ['"Hello"', '"Oh no', "plain", '"Well', 'a "word"', '"a" and "b"']
    table, problems, _ = read(tmp_path, "\n".join(["text\temotion", *(f"{text}\tjoy" for text in texts)]), suffix)
    assert problems == []
    assert [row["text"] for _, row in table.rows] == texts


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize(
    "texts", [['"Hello"', "plain", 'a "word"'], ["two\nlines", "a\ttab", "plain"], ["plain", "words"]]
)
def test_what_the_csv_module_writes_with_tabs_comes_back(tmp_path, texts, quoting):
    buffer = io.StringIO()
    csv.writer(buffer, delimiter="\t", quoting=quoting).writerows(
        [["text", "emotion"], *([text, "joy"] for text in texts)]
    )
    table, problems, _ = read(tmp_path, buffer.getvalue(), ".tsv")
    assert problems == []
    assert [row["text"] for _, row in table.rows] == texts
