"""A user's CSV, TSV or Parquet file as rows of text cells, whatever its encoding and its types."""

import codecs
import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from erc_core.corpora.csv_rows import read_bytes
from erc_core.corpora.table.issues import HEADER_ROW, Findings, listed, quoted
from erc_core.corpora.table.quotes import judge_quotes, parse_table
from erc_core.corpora.text_repair import UTF16_MARKS, decode, mend
from erc_core.errors import ErcError

SUFFIXES = (".csv", ".tsv", ".parquet")
OTHER_FORMATS = {
    b"PK\x03\x04": "a workbook or a zip archive: save it as CSV (UTF-8)",
    b"\xd0\xcf\x11\xe0": "an old workbook: save it as CSV (UTF-8)",
    b"PAR1": "Parquet: name it .parquet",
    b"\x1f\x8b": "compressed: unpack it",
}
LONGEST_CELL = 2**31 - 1  # a cell of any length

# as a spreadsheet numbers it, the header being row 1; column name -> text, empty where the file has no value
Row = tuple[int, dict[str, str]]


@dataclass(frozen=True)
class RawTable:
    """A file as read."""

    header: list[str]  # column names, stripped, in the order of the file
    rows: list[Row]  # those that have as many cells as the header
    unreadable: dict[str, str] = field(default_factory=dict)  # columns whose type has no text (lists) -> their type


def read_file(path: Path, findings: Findings) -> RawTable:
    """Read a table by its suffix; rows of the wrong width are refused in findings, a file that is none by ErcError."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ErcError(f"{path}: a table is expected to end in {', '.join(SUFFIXES)}")
    content = read_bytes(path)
    if not content.strip(codecs.BOM_UTF8).strip():
        raise ErcError(f"{path}: the file is empty")
    table = _read_parquet(path, content) if suffix == ".parquet" else _read_text(path, content, suffix, findings)
    if not table.rows and not findings.problems:
        raise ErcError(f"{path}: the file has a header ({listed(table.header)}) but no rows")
    return table


def _read_text(path: Path, content: bytes, suffix: str, findings: Findings) -> RawTable:
    for magic, what in OTHER_FORMATS.items():
        if content.startswith(magic):
            raise ErcError(f"{path}: not a text table but {what}")
    text = _decoded(path, content)
    first = next((line for line in io.StringIO(text, newline="") if line.strip()), "")
    if any(ord(sign) < 32 and sign not in "\t\r\n" for sign in first):
        raise ErcError(f"{path}: not a text table, its first line holds control characters: {quoted(first[:40])}")
    delimiter = "\t" if suffix == ".tsv" or ("," not in first and "\t" in first) else ","
    if suffix == ".csv" and "," not in first and ";" in first:
        delimiter = ";"  # what spreadsheets write where the comma is the decimal sign
    table, layout = parse_table(text, LONGEST_CELL, delimiter)
    header, width = table.header, len(table.header)
    if table.damaged:
        findings.refuse(table.damage, table.damaged.number)
    if not header:
        raise ErcError(findings.problems[0][1] if findings.problems else f"{path}: the file is empty")
    rows = []
    for read in table.rows:
        row = judge_quotes(read, width, layout, findings)
        if row is None:
            continue
        cells = [""] * width if row.is_blank else row.cells  # a blank line is a blank row, of any width
        if len(cells) >= width and not any(map(str.strip, cells[width:])):
            rows.append((row.number, dict(zip(header, cells, strict=False))))
            continue
        hint = "a cell with a separator in it needs quotation marks"
        if any("\n" in cell for cell in cells):
            hint = "one of them runs over several lines: is a quotation mark missing?"
        findings.refuse(f"{len(cells)} cells where the header has {width}; {hint}", row.number)
    return RawTable(header, rows)


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-16") if content.startswith(UTF16_MARKS) else decode(content, str(path))
    except UnicodeDecodeError:
        raise ErcError(f"{path}: begins as UTF-16 but is damaged; save it as CSV (UTF-8)") from None


def _read_parquet(path: Path, content: bytes) -> RawTable:
    try:
        schema = pl.read_parquet_schema(io.BytesIO(content))
        # clips inside the table, for instance, are never loaded
        names = [name for name, kind in schema.items() if not (kind.is_nested() or kind in (pl.Binary, pl.Object))]
        frame = pl.read_parquet(io.BytesIO(content), columns=names)
        columns = [_texts(frame[name]) for name in names]
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, OverflowError, ValueError) as error:
        raise ErcError(f"{path}: not readable as Parquet ({' '.join(str(error).split())[:120]})") from None
    header = {name: mend(name, strip=True).text for name in schema}
    used = [header[name] for name in names]
    cells = (dict(zip(used, values, strict=True)) for values in zip(*columns, strict=True))
    rows = list(enumerate(cells, start=HEADER_ROW + 1))
    unreadable = {header[name]: str(kind) for name, kind in schema.items() if name not in names}
    return RawTable(list(header.values()), rows, unreadable)


def _texts(column: pl.Series) -> list[str]:
    as_they_are = column.dtype.is_float() or column.dtype.is_temporal()
    return [_as_text(value) for value in (column if as_they_are else column.cast(pl.String)).to_list()]


def _as_text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    # whole numbers become floats in a data frame with gaps
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
