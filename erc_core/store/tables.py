"""Tables that a stage hands on to the next, as Parquet or CSV.

Spreadsheets compute a cell that begins like a formula, and what stands in a corpus is anybody's. CSV files therefore hold such
a text behind an apostrophe (OWASP, "CSV Injection"), and reading takes it away again.
"""

import csv
import io
from collections.abc import Set as AbstractSet
from pathlib import Path

import polars as pl
import xxhash

from erc_core.errors import damaged, not_found
from erc_core.run.atomic import atomic_file
from erc_core.store.checksums import CHECKSUM, WRONG

# What a spreadsheet takes for the beginning of a formula, its wide forms included, or what would be taken for a guarded one
_FORMULA = r"^'*[=+\-@\t\r\n＝＋－＠]"

# The checksum of a Parquet file is a text of 32 digits among its metadata, zeros while the bytes are counted. It is found without
# parsing the file, as polars may panic over damaged metadata: the key, and in Thrift's compact encoding "text of length 32".
NO_CHECKSUM = "0" * 32
MARK = CHECKSUM.encode() + b"\x18\x20"


def write_parquet(table: pl.DataFrame, path: Path) -> None:
    """Write a table, whole or not at all, with its checksum."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, metadata={CHECKSUM: NO_CHECKSUM})
    before, _, after = _around_checksum(buffer.getvalue())
    with atomic_file(path) as partial:
        partial.write_bytes(before + _checksum(before, after) + after)


def read_parquet(path: Path, stage: str, schema: pl.Schema | None = None) -> pl.DataFrame:
    """Read a table that a stage made.

    Raises:
        ErcError: The file is missing or damaged, or has other columns than the schema; the message names the stage that
            makes it.
    """
    try:
        content = path.read_bytes()
        before, checksum, after = _around_checksum(content)
        if checksum != _checksum(before, after):
            raise damaged(path, f"damaged ({WRONG})", stage)
        table = pl.read_parquet(io.BytesIO(content))
    except FileNotFoundError:
        raise not_found(path, stage) from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise damaged(path, f"damaged ({' '.join(str(error).split())[:200]})", stage) from None
    if schema is not None and table.schema != schema:
        wrong = [name for name in schema if table.schema.get(name) != schema[name]] or ["one too many"]
        raise damaged(path, f"has not the columns expected ({wrong[0]})", stage)
    return table


def _around_checksum(content: bytes) -> tuple[bytes, bytes, bytes]:
    place = content.rfind(MARK) + len(MARK)
    end = place + len(NO_CHECKSUM)
    return content[:place], content[place:end], content[end:]


def _checksum(before: bytes, after: bytes) -> bytes:
    return xxhash.xxh3_128_hexdigest(before + NO_CHECKSUM.encode() + after).encode()


def read_csv(path: Path, columns: pl.Schema, may_be_empty: AbstractSet[str], stage: str) -> pl.DataFrame:
    """Read the columns of a table that a stage made, in their order; cells of some `may_be_empty`.

    Raises:
        ErcError: The file is missing or damaged, has no rows, or lacks a column or a value; the message names the stage.
    """
    try:
        text = io.StringIO(path.read_bytes().decode(), newline="")
        # polars leaves the quotation marks of a head as the file doubles them
        heads = next(csv.reader(text), [])
        schema = {name: columns.get(name, pl.String()) for name in heads}
        table = pl.read_csv(text.read().encode(), has_header=False, schema=schema)
    except FileNotFoundError:
        raise not_found(path, stage) from None
    except pl.exceptions.NoDataError:
        table = pl.DataFrame(schema=schema)
    except (OSError, csv.Error, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise damaged(path, f"is not the CSV file expected: {str(error).splitlines()[0]}", stage) from None
    if not heads:
        raise damaged(path, "is not the CSV file expected: it is empty", stage)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise damaged(path, f"has no column {missing[0]!r}", stage)
    if table.is_empty():
        raise damaged(path, "has no rows", stage)
    empty = [name for name in columns if name not in may_be_empty and table[name].null_count()]
    if empty:
        raise damaged(path, f"has an empty cell in column {empty[0]!r}", stage)
    return table.select(list(columns)).with_columns(unguarded(pl.col(pl.String)).name.keep())


def unguarded(text: pl.Expr) -> pl.Expr:
    """Return texts without the apostrophe that write_csv puts before what a spreadsheet would compute."""
    return pl.when(text.str.contains("^'" + _FORMULA[1:])).then(text.str.slice(1)).otherwise(text)


def write_csv(table: pl.DataFrame, path: Path) -> None:
    """Write a table, whole or not at all; texts that a spreadsheet would compute stand behind an apostrophe."""
    text = pl.col(pl.String)
    guarded = pl.when(text.str.contains(_FORMULA)).then("'" + text).otherwise(text)
    with atomic_file(path) as partial:
        table.with_columns(guarded.name.keep()).write_csv(partial)
