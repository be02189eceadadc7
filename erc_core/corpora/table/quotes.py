"""Quotation marks in a user's table: whether they enclose cells or belong to the text, and cells that swallowed rows."""

import csv
import io
import re
from typing import Any

from erc_core.corpora.csv_rows import CsvRow, CsvTable, parse_csv
from erc_core.corpora.table.issues import Findings

TAB = "\t"
REMEDY = (
    'write a quotation mark of the text twice, inside a cell in quotation marks ("""Oh"" he said"); line breaks that belong '
    "to the text become spaces, or the table Parquet"
)


def parse_table(text: str, longest_cell: int, delimiter: str) -> tuple[CsvTable, dict[str, Any]]:
    """Return the rows of a text, and the layout that csv.reader read them with.

    Where tabs separate, quotation marks belong to the text, as most writers of such files mean them, unless it is certain
    that they enclose cells: every row then has the width of the head, and either every cell of the head stands in them, or
    every cell that does needs it (it holds doubled ones), or the rows have other widths without.
    """
    layout: dict[str, Any] = {"delimiter": delimiter, "skipinitialspace": True}
    table = parse_csv(text, longest_cell=longest_cell, **layout)
    if delimiter != TAB or '"' not in text:
        return table, layout
    layout = {"delimiter": TAB}
    plain = parse_csv(text, longest_cell=longest_cell, quoting=csv.QUOTE_NONE, **layout)
    strict = parse_csv(text, longest_cell=longest_cell, strict=True, **layout)
    enclosed = [cell for row in plain.rows for cell in row.cells if cell.startswith('"')]
    needed = all(re.fullmatch(r'"(?:[^"]|"")*""(?:[^"]|"")*"', cell) for cell in enclosed)
    head = all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in plain.header)
    if _is_even(strict) and (head or needed or not _is_even(plain)):
        return strict, layout
    return plain, layout | {"quoting": csv.QUOTE_NONE}


def _is_even(table: CsvTable) -> bool:
    widths = {len(row.cells) for row in table.rows if not row.is_blank}
    return table.damaged is None and widths <= {len(table.header)}


def judge_quotes(row: CsvRow, width: int, layout: dict[str, Any], findings: Findings) -> CsvRow | None:
    """Return a row with the quotation marks of its text, or None where they hide where its cells end (refused in findings).

    A mark that begins a cell of the text and not an enclosed one joins all up to the next mark, rows in between included.
    """
    if '"' not in row.source or "quoting" in layout:
        return row
    last = row.line + len(_lines(row.source)) - 1
    place = f"lines {row.line} to {last}" if last > row.line else f"line {row.line}"
    if _is_enclosed(row.source, layout):
        if any(_holds_rows(cells, row.cells, width, layout["delimiter"]) for cells in enumerate(row.cells)):
            findings.refuse(
                f"{place}: one cell holds line breaks and separators as rows have them; {REMEDY}", row.number
            )
            return None
        return row
    cells = [] if last > row.line else next(csv.reader([row.source], quoting=csv.QUOTE_NONE, **layout))
    if len(cells) != width:
        findings.refuse(f"{place}: a cell in quotation marks goes on after the closing one; {REMEDY}", row.number)
        return None
    where = f"{findings.path.name} row {row.number}"
    findings.note(where, "stray_quotation_marks", f"{place}: they enclose a part of a cell", "kept as part of the text")
    return CsvRow(row.number, row.line, cells, row.source)


def _lines(source: str) -> list[str]:
    return io.StringIO(source, newline="").readlines()


def _is_enclosed(source: str, layout: dict[str, Any]) -> bool:
    """Return whether every cell that begins with a quotation mark ends with one."""
    try:
        next(csv.reader(_lines(source), strict=True, **layout))
    except csv.Error as error:
        return "field larger" in str(error)  # a long cell is none of this
    return True


def _holds_rows(cell: tuple[int, str], cells: list[str], width: int, delimiter: str) -> bool:
    """Return whether a cell, cut at its line breaks and separators, makes whole rows of those cells beside it.

    A comma before a space is one of the text, and so are those at the ends of lines where there are no others.
    """
    place, text = cell
    lines = text.splitlines()
    if len(lines) < 2 or not re.search(rf"{delimiter}(?=\S)", text):
        return False
    parts = [len(re.split(f"{delimiter}(?! )", line)) for line in lines]
    parts[0] += place
    parts[-1] += len(cells) - place - 1
    return all(n == width for n in parts)
