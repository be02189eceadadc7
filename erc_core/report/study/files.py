"""The tables of a study as files: CSV with full precision, LaTeX for a paper.

CSV: one row per row of the table, those without numbers included, with everything that is known of it (columns.row_values).
LaTeX: the table as the report shows it, and the table of tests. Both say where the corpus is synthetic: the column synthetic,
the end of the caption.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from erc_core.errors import ErcError
from erc_core.params.training import EvaluateParams
from erc_core.report.page.render import PAGE_POINTS, latex_points, render_latex
from erc_core.report.study.columns import row_values
from erc_core.report.study.tables import StudyTable
from erc_core.report.study.text import shown_tables
from erc_core.run.atomic import atomic_folder, write_text
from erc_core.store.tables import write_csv

SYNTHETIC_CAPTION = "Synthetic corpus: speech by eSpeak NG, whose scores say nothing about people."


def write_tables(tables: Sequence[StudyTable], evaluate: EvaluateParams, folder: Path) -> None:
    """Write each table that has something to show as <dataset>_<table>.csv and .tex into a folder, emptied before."""
    with atomic_folder(folder) as partial:
        written: dict[str, StudyTable] = {}
        for table in tables:
            if table.is_empty:
                continue
            name = f"{table.dataset}_{table.name}"
            other = written.setdefault(name, table)
            if other is not table:
                raise ErcError(
                    f"reports/tables/{name}.csv: would be table {table.name!r} of {table.dataset} and {other.name!r} of "
                    f"{other.dataset}; give one of them another name under study.tables"
                )
            write_csv(csv_table(table), partial / f"{name}.csv")
            write_text(partial / f"{name}.tex", latex(table, evaluate))


def csv_table(table: StudyTable) -> pl.DataFrame:
    """Return a table with a column for everything that is known about a row."""
    return pl.DataFrame([row_values(table, row) for row in table.rows], infer_schema_length=None)


def latex(table: StudyTable, evaluate: EvaluateParams) -> str:
    r"""Return a table, and its tests, as one or two floats labelled tab:<dataset>-<table>[-tests], for \input."""
    label = f"tab:{table.dataset}-{table.name}"
    shown = shown_tables(table, evaluate)
    if latex_points(shown[0]) > PAGE_POINTS:
        shown = shown_tables(table, evaluate, intervals=False)  # the CSV has them
    if table.synthetic:
        shown = [replace(one, caption=f"{one.caption} {SYNTHETIC_CAPTION}") for one in shown]
    labelled = zip(shown, (label, f"{label}-tests"), strict=False)
    return "\n".join(["% needs \\usepackage{booktabs}", *(render_latex(shown, name) for shown, name in labelled)])
