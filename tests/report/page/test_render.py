from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.ft2font import FT2Font

from erc_core.report.page.document import Column, Table, heads, number_heads
from erc_core.report.page.render import latex_points, render_latex

TABLE = Table(
    "A 50% share.",
    [
        Column("Model"),
        Column("a", "number", "W_F1"),
        Column("b", "number", "W_F1"),
        Column("n", "number"),
        Column("", "number"),
    ],
    [("one*", "1.00*", "−2", "3", ""), ("two", "4", "5", "6", "")],
    [(1, "T & A")],
    ["* a note"],
)


def test_a_star_hangs_over_behind_a_number_and_is_text_elsewhere():
    latex = render_latex(TABLE, "tab:a_b")
    assert r"one{*} & 1.00\rlap{$^{*}$} & $-$2 & 3 &  \\" in latex
    assert r"\raggedright {*} a note\par}" in latex


def test_heads_over_columns_have_a_rule_and_heads_between_rows_a_line():
    lines = render_latex(TABLE, "tab:a_b").splitlines()
    assert lines[0] == r"\begin{table}[t]"
    assert r"\label{tab:a_b}" in lines
    head = lines.index(r" & \multicolumn{2}{c}{W\_F1} &  &  \\")
    assert lines[head + 1 : head + 3] == [r"\cmidrule(lr){2-3}", r"Model & a & b & n &  \\"]
    assert lines[lines.index(r"\multicolumn{5}{l}{\textit{T \& A}} \\") - 1] == r"\addlinespace"


def test_a_table_too_wide_for_a_column_spans_both_columns():
    narrow = Table("", number_heads("abcdef"), [("1.00",) * 6])
    assert render_latex(narrow, "x").startswith(r"\begin{table}[t]")
    wide = Table("", number_heads("abcd"), [("54.43 ± 0.26", "53.78–55.08") * 2])
    assert render_latex(wide, "x").startswith(r"\begin{table*}[t]")


@pytest.mark.parametrize("size", [4, 9])
def test_the_estimated_width_is_no_less_than_computer_moderns(size):
    """Measure with the metrics of Computer Modern, which matplotlib carries; \\small of a 10 pt article is 9 pt."""
    font = FT2Font(Path(mpl.get_data_path()) / "fonts/ttf/cmr10.ttf")
    font.set_size(9, 72)

    def points(cell):
        font.set_text(cell)
        return font.get_width_height()[0] / 64

    cells = ("w/o JFM", "54.43 +- 0.26", "+53.78--55.08", "Weighted F1", "0.003")
    table = Table("", number_heads("abcde"), [cells] * size)
    measured = sum(
        1.03 * points(cell) + 8 for cell in cells
    )  # cmr9, of which LaTeX sets it, is so much wider than cmr10
    assert measured <= latex_points(table) <= 1.35 * measured


def test_a_title_is_marked_with_what_its_column_holds_and_any_text_may_be_a_number_s():
    assert heads("a", "#b", "`c", "“d") == [
        Column("a"),
        Column("b", "number"),
        Column("c", "code"),
        Column("d", "quote"),
    ]
    assert number_heads(["#1", "`x"]) == [Column("#1", "number"), Column("`x", "number")]
