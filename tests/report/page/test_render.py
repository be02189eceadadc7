from erc_core.report.page.document import Column, Table, heads, number_heads
from erc_core.report.page.render import render_latex

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
    assert render_latex(Table("", number_heads("abcdef"), []), "x").startswith(r"\begin{table*}[t]")


def test_a_title_is_marked_with_what_its_column_holds_and_any_text_may_be_a_number_s():
    assert heads("a", "#b", "`c", "“d") == [
        Column("a"),
        Column("b", "number"),
        Column("c", "code"),
        Column("d", "quote"),
    ]
    assert number_heads(["#1", "`x"]) == [Column("#1", "number"), Column("`x", "number")]
