"""Delimited text as numbered rows: the annotation of MELD and the tables of users."""

import csv
import io
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from erc_core.corpora.text_repair import mend
from erc_core.errors import ErcError

_END = "\x00end of the table\x00"  # read as a row of its own, unless a quotation mark is open


@dataclass(frozen=True)
class CsvRow:
    """One row."""

    number: int  # as a spreadsheet shows it: cells may run over several lines
    line: int  # where it begins in the file, from 1
    cells: list[str]
    source: str = field(default="", compare=False, repr=False)  # its lines, as the file has them

    @property
    def is_blank(self) -> bool:
        """Whether no cell has anything but white space."""
        return not any(cell.strip() for cell in self.cells)


@dataclass(frozen=True)
class CsvTable:
    """The rows of a text."""

    header: list[str]  # the first row that is not blank, mended and stripped; empty where there is none
    rows: list[CsvRow]  # all after it, blank ones too
    damaged: CsvRow | None  # where reading ended before the end of the text, without cells
    damage: str  # why it ended there


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file; ErcError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ErcError(f"{path}: not readable: {error.strerror}") from None


def parse_csv(text: str, *, longest_cell: int, **layout: Any) -> CsvTable:
    """Return the rows of a text, up to the first that is damaged, such as by a cell of more characters than longest_cell.

    The text has its line breaks as they are in the file; the layout is what csv.reader is to know, such as the delimiter.
    """
    lines = io.StringIO(text, newline="").readlines()
    reader = csv.reader(chain(lines, [_END]), **layout)
    rows: list[CsvRow] = []
    line, damage = 1, ""
    limit = csv.field_size_limit(longest_cell)  # of the whole process, so it is put back
    try:
        for cells in reader:
            rows.append(CsvRow(len(rows) + 1, line, cells, "".join(lines[line - 1 : reader.line_num])))
            line = reader.line_num + 1
    except csv.Error as error:
        damage = str(error)
        rows.append(CsvRow(len(rows) + 1, line, []))
    finally:
        csv.field_size_limit(limit)
    last = rows.pop()
    if last.cells != [_END] and reader.line_num > len(lines):
        damage = 'a quotation mark opens here and is never closed; inside a cell it is written twice ("")'
    first = next((k for k, row in enumerate(rows) if not row.is_blank), len(rows))
    header = [mend(name, strip=True).text for row in rows[first : first + 1] for name in row.cells]
    damaged = CsvRow(last.number, last.line, []) if damage else None
    return CsvTable(header, rows[first + 1 :], damaged, damage)
