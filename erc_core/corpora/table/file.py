"""A user's CSV, TSV or Parquet file as rows of text cells, whatever its encoding and its types."""

import codecs
import csv
import io
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from erc_core.corpora.table.cells import clean
from erc_core.corpora.table.issues import HEADER_ROW, Findings, quoted
from erc_core.corpora.text_repair import UTF16_MARKS
from erc_core.errors import ErcError

SUFFIXES = (".csv", ".tsv", ".parquet")
OTHER_FORMATS = {
    b"PK\x03\x04": "a workbook or a zip archive: save it as CSV (UTF-8)",
    b"\xd0\xcf\x11\xe0": "an old workbook: save it as CSV (UTF-8)",
    b"PAR1": "Parquet: name it .parquet",
    b"\x1f\x8b": "compressed: unpack it",
}
UNDECODED = "surrogateescape"  # keeps bytes that are not UTF-8 apart, so that own_cells can tell their row and column


@dataclass(frozen=True)
class Row:
    """One row of the file.

    Attributes:
        number: As a spreadsheet shows it, the header being row 1.
        cells: Column name -> text; empty where the file has no value.
    """

    number: int
    cells: dict[str, str]


@dataclass(frozen=True)
class RawTable:
    """A file as read.

    Attributes:
        header: Column names, stripped, in the order of the file.
        rows: The rows that have as many cells as the header.
        unreadable: Columns whose type has no text, such as lists -> their type.
    """

    header: list[str]
    rows: list[Row]
    unreadable: dict[str, str] = field(default_factory=dict)


def read_file(path: Path, findings: Findings) -> RawTable:
    """Read a table by its suffix; rows of the wrong width are refused in findings.

    Raises:
        ErcError: The file as a whole is no such table.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ErcError(f"{path}: a table is expected to end in {', '.join(SUFFIXES)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ErcError(f"{path}: not readable ({error.strerror})") from None
    if not content.strip(codecs.BOM_UTF8).strip():
        raise ErcError(f"{path}: the file is empty")
    table = _read_parquet(path, content) if suffix == ".parquet" else _read_text(path, content, suffix, findings)
    if not table.rows and not findings.problems:
        raise ErcError(f"{path}: the file has a header ({_listed(table.header)}) but no rows")
    return table


def _read_text(path: Path, content: bytes, suffix: str, findings: Findings) -> RawTable:
    for magic, what in OTHER_FORMATS.items():
        if content.startswith(magic):
            raise ErcError(f"{path}: not a text table but {what}")
    lines = io.StringIO(_decoded(path, content), newline="").readlines()
    first = next((line for line in lines if line.strip()), "")
    if any(ord(sign) < 32 and sign not in "\t\r\n" for sign in first):
        raise ErcError(f"{path}: not a text table, its first line holds control characters: {quoted(first[:40])}")
    delimiter = "\t" if suffix == ".tsv" or ("," not in first and "\t" in first) else ","
    if suffix == ".csv" and "," not in first and ";" in first:
        delimiter = ";"  # what spreadsheets write where the comma is the decimal sign
    numbered = _records(lines, delimiter, findings)
    number, header = next(((n, cells) for n, cells in numbered if any(map(str.strip, cells))), (0, []))
    if number == 0:
        raise ErcError(findings.problems[0][1] if findings.problems else f"{path}: the file is empty")
    header = [clean(name)[0] for name in header]
    rows = []
    for number, cells in numbered:
        if not any(map(str.strip, cells)):
            cells = [""] * len(header)  # a blank line is a blank row, of any width
        if len(cells) < len(header) or any(map(str.strip, cells[len(header) :])):
            findings.refuse(f"{len(cells)} cells where the header has {len(header)}; {_width_hint(cells)}", number)
            continue
        rows.append(Row(number, dict(zip(header, cells, strict=False))))
    return RawTable(header, rows)


def _width_hint(cells: list[str]) -> str:
    if any("\n" in cell for cell in cells):
        return "one of them runs over several lines: is a quotation mark missing?"
    return "a cell with a separator in it needs quotation marks"


def _decoded(path: Path, content: bytes) -> str:
    if content.startswith(UTF16_MARKS):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError:
            raise ErcError(f"{path}: begins as UTF-16 but is damaged; save it as CSV (UTF-8)") from None
    return content.removeprefix(codecs.BOM_UTF8).decode("utf-8", UNDECODED)


def _records(lines: list[str], delimiter: str, findings: Findings) -> Iterator[tuple[int, list[str]]]:
    """Yield (row number, cells); a quotation mark that is never closed is refused, at the row where it opens."""
    end = "\x00end of the table\x00"
    longest = csv.field_size_limit(
        2**31 - 1
    )  # a cell of any length; the limit is the whole process', so it is put back
    try:
        reader = csv.reader(itertools.chain(lines, [end]), delimiter=delimiter, skipinitialspace=True)
        records = list(reader)
    finally:
        csv.field_size_limit(longest)
    if records.pop() != [end]:
        findings.refuse(
            'a quotation mark opens here and is never closed; inside a cell it is written twice ("")', len(records) + 1
        )
    yield from enumerate(records, start=HEADER_ROW)


def _read_parquet(path: Path, content: bytes) -> RawTable:
    try:
        schema = pl.read_parquet_schema(io.BytesIO(content))
        # clips inside the table, for instance, are never loaded
        names = [name for name, kind in schema.items() if not (kind.is_nested() or kind in (pl.Binary, pl.Object))]
        frame = pl.read_parquet(io.BytesIO(content), columns=names)
        columns = [[_as_text(value) for value in _plain(frame[name])] for name in names]
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, OverflowError, ValueError) as error:
        raise ErcError(f"{path}: not readable as Parquet ({' '.join(str(error).split())[:120]})") from None
    header = [clean(name)[0] for name in names]
    rows = [
        Row(number, dict(zip(header, cells, strict=True)))
        for number, cells in enumerate(zip(*columns, strict=True), start=HEADER_ROW + 1)
    ]
    unreadable = {clean(name)[0]: str(kind) for name, kind in schema.items() if name not in names}
    return RawTable([clean(name)[0] for name in schema], rows, unreadable)


def _plain(column: pl.Series) -> list[Any]:
    kind = column.dtype
    return column.to_list() if kind.is_float() or kind.is_temporal() else column.cast(pl.String).to_list()


def _as_text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    # whole numbers become floats in a data frame with gaps
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _listed(names: list[str]) -> str:
    shown = ", ".join(quoted(name) for name in names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12:,} more"
