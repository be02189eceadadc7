"""The tables of a study as files: CSV with full precision, LaTeX for a paper.

CSV: one row per row of the table; scores, differences and printed figures as fractions (0.6282 is 62.82%), nothing rounded,
an empty cell where there is no number. LaTeX: the table as the report shows it, and the table of tests.
"""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from erc_core.params.training import EvaluateParams
from erc_core.report.page.clean import clean
from erc_core.report.study.differences import METRICS
from erc_core.report.study.rows import Cost, Row
from erc_core.report.study.tables import StudyTable
from erc_core.report.study.text import Layout, layouts
from erc_core.run.atomic import atomic_file, atomic_folder

TEXT_COLUMNS = ("dataset", "table", "group", "row", "variant", "key", "value", "missing", "not_compared", "seeds")
SCORE_COLUMNS = ("mean", "sd", "low", "high")
DIFFERENCE_COLUMNS = (
    ("difference", "mean"),
    ("p_t", "p_t"),
    ("p_t_holm", "p_t_holm"),
    ("averaged_difference", "averaged"),
    ("averaged_low", "low"),
    ("averaged_high", "high"),
    ("p_bootstrap", "p_bootstrap"),
    ("p_bootstrap_holm", "p_bootstrap_holm"),
    ("star", "star"),
)
# A table with more columns than this spans both columns of a paper
COLUMN_WIDE = 5

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    '"': "''", "*": "{*}", "–": "--", "−": "$-$", "±": r"$\pm$", "“": "``", "”": "''", "’": "'", "[": "{[}", "]": "{]}",
}  # fmt: skip


def write_tables(tables: Sequence[StudyTable], evaluate: EvaluateParams, folder: Path) -> None:
    """Write each table that has something to show as <dataset>_<table>.csv and .tex.

    Args:
        tables: Of all datasets.
        evaluate: How intervals and tests were made.
        folder: Where to; what it held before is removed, so that no table of an earlier study stays.
    """
    with atomic_folder(folder) as partial:
        for table in tables:
            if table.is_empty:
                continue
            name = f"{table.dataset}_{table.name}"
            with atomic_file(partial / f"{name}.csv") as file:
                csv_table(table).write_csv(file)
            with atomic_file(partial / f"{name}.tex") as file:
                file.write_text(latex(table, evaluate), encoding="utf-8", newline="\n")


def csv_table(table: StudyTable) -> pl.DataFrame:
    """Return a table with a column for everything that is known about a row.

    Args:
        table: Its numbers.

    Returns:
        One row per row, those without numbers included. <metric>_paper and <metric>_paper_gap (measured minus printed)
        are differences to the full model where the paper prints such.
    """
    costs = {name: pl.String if name == "memory" else pl.Float64 for name in Cost.__dataclass_fields__}
    schema: dict[str, Any] = dict.fromkeys(TEXT_COLUMNS, pl.String)
    for metric in METRICS:
        schema |= {f"{metric}_{name}": pl.Float64 for name in SCORE_COLUMNS}
        schema |= {f"{metric}_{name}": pl.Boolean if name == "star" else pl.Float64 for name, _ in DIFFERENCE_COLUMNS}
        schema |= {f"{metric}_paper": pl.Float64, f"{metric}_paper_gap": pl.Float64}
    schema |= costs | {"parameters": pl.Int64, "trained_parameters": pl.Int64}
    origin = {name: "; ".join(values) for name, values in asdict(table.origin).items()}
    schema |= dict.fromkeys(origin, pl.String)
    return pl.DataFrame([_csv_row(table, row) | origin for row in table.rows], schema=schema)


def _csv_row(table: StudyTable, row: Row) -> dict[str, Any]:
    cells: dict[str, Any] = {
        "dataset": table.dataset,
        "table": table.name,
        "group": row.group,
        "row": row.label,
        "variant": row.variant,
        "key": table.key,
        "value": row.point,
        "missing": row.missing,
        "not_compared": row.not_compared,
        "seeds": " ".join(map(str, row.seeds)),
    }
    for metric in METRICS:
        if metric in row.scores:
            cells |= {f"{metric}_{name}": getattr(row.scores[metric], name) for name in SCORE_COLUMNS}
        if metric in row.differences:
            cells |= {f"{metric}_{name}": getattr(row.differences[metric], of) for name, of in DIFFERENCE_COLUMNS}
        cells |= {f"{metric}_paper": row.paper.get(metric), f"{metric}_paper_gap": row.paper_gap(metric, table.name)}
    return cells | (asdict(row.cost) if row.cost else {})


def latex(table: StudyTable, evaluate: EvaluateParams) -> str:
    r"""Return a table, and its tests, as LaTeX with booktabs.

    Args:
        table: Its numbers.
        evaluate: How intervals and tests were made.

    Returns:
        One or two floats, labelled tab:<dataset>-<table> and tab:<dataset>-<table>-tests, for \input.
    """
    label = f"tab:{table.dataset}-{table.name}"
    floats = [
        _float(layout, name) for layout, name in zip(layouts(table, evaluate), (label, f"{label}-tests"), strict=False)
    ]
    return "\n".join(["% needs \\usepackage{booktabs}", *floats])


def escaped(text: str) -> str:
    """Return a text with everything that means something to LaTeX, or that its usual fonts lack, as a command."""
    return "".join(_LATEX.get(character, character) for character in clean(text))


def _float(layout: Layout, label: str) -> str:
    columns = layout.columns
    kind = "table*" if len(columns) > COLUMN_WIDE else "table"
    head = [" & ".join(escaped(column.title) for column in columns) + r" \\"]
    if any(column.group for column in columns):
        head = [*_column_groups(layout), *head]
    above = dict(layout.groups)
    body = []
    for i, row in enumerate(layout.rows):
        if i in above:
            body += [r"\addlinespace"] * (i > 0)
            body.append(rf"\multicolumn{{{len(columns)}}}{{l}}{{\textit{{{escaped(above[i])}}}}} \\")
        cells = [_cell(cell, column.kind == "number") for cell, column in zip(row, columns, strict=True)]
        body.append(" & ".join(cells) + r" \\")
    lines = [
        rf"\begin{{{kind}}}[t]",
        r"\centering",
        rf"\caption{{{escaped(layout.caption)}}}",
        rf"\label{{{label}}}",
        r"\par\smallskip",
        r"\small",
        r"\setlength{\tabcolsep}{4pt}",
        rf"\begin{{tabular}}{{{''.join('r' if column.kind == 'number' else 'l' for column in columns)}}}",
        r"\toprule",
        *head,
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\smallskip{{\footnotesize\raggedright {escaped(note)}\par}}" for note in layout.notes),
        rf"\end{{{kind}}}",
    ]
    return "\n".join(lines) + "\n"


def _column_groups(layout: Layout) -> list[str]:
    """Return the line of heads over columns, and the rules under them."""
    cells, rules, first = [], [], 1
    for title, columns in groupby(column.group for column in layout.columns):
        span = len(list(columns))
        if title:
            cells.append(rf"\multicolumn{{{span}}}{{c}}{{{escaped(title)}}}")
            rules.append(rf"\cmidrule(lr){{{first}-{first + span - 1}}}")
        else:
            cells += [""] * span
        first += span
    return [" & ".join(cells) + r" \\", " ".join(rules)]


def _cell(cell: str, is_number: bool) -> str:
    """Return a cell; a star hangs over, so that the digits above and below it stay in line."""
    if is_number and cell.endswith("*"):
        return escaped(cell[:-1]) + r"\rlap{$^{*}$}"
    return escaped(cell)
