"""Tables that a stage hands on to the next, as Parquet or CSV.

Spreadsheets compute a cell that begins like a formula, and what stands in a corpus is anybody's. CSV files therefore hold such
a text behind an apostrophe (OWASP, "CSV Injection"), and reading takes it away again.
"""

import csv
import io
from collections.abc import Set as AbstractSet
from pathlib import Path

import polars as pl

from erc_core.errors import ErcError
from erc_core.run.atomic import atomic_file

# What a spreadsheet takes for the beginning of a formula, its wide forms included, or what would be taken for a guarded one
_FORMULA = r"^'*[=+\-@\t\r\n＝＋－＠]"


def read_parquet(path: Path, stage: str) -> pl.DataFrame:
    """Read a table that a stage made.

    Raises:
        ErcError: The file is missing or damaged; the message names the stage that makes it.
    """
    try:
        return pl.read_parquet(path)
    except FileNotFoundError:
        raise ErcError(f"{path}: not found; the stage {stage} makes it: run `dvc repro`") from None
    except pl.exceptions.PolarsError as error:
        reason = " ".join(str(error).split())[:200]
        raise ErcError(f"{path}: damaged ({reason}); delete it and run `dvc repro`") from None


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
        raise ErcError(f"{path}: not found; the stage {stage} makes it: run `dvc repro`") from None
    except pl.exceptions.NoDataError:
        table = pl.DataFrame(schema=schema)
    except (OSError, csv.Error, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise damaged(path, f"is not the CSV file expected: {str(error).splitlines()[0]}", stage) from None
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise damaged(path, f"has no column {missing[0]!r}", stage)
    if table.is_empty():
        raise damaged(path, "has no rows", stage)
    empty = [name for name in columns if name not in may_be_empty and table[name].null_count()]
    if empty:
        raise damaged(path, f"has an empty cell in column {empty[0]!r}", stage)
    guarded = pl.col(pl.String)
    plain = pl.when(guarded.str.contains("^'" + _FORMULA[1:])).then(guarded.str.slice(1)).otherwise(guarded)
    return table.select(list(columns)).with_columns(plain.name.keep())


def write_csv(table: pl.DataFrame, path: Path) -> None:
    """Write a table, whole or not at all; texts that a spreadsheet would compute stand behind an apostrophe."""
    text = pl.col(pl.String)
    guarded = pl.when(text.str.contains(_FORMULA)).then("'" + text).otherwise(text)
    with atomic_file(path) as partial:
        table.with_columns(guarded.name.keep()).write_csv(partial)


def damaged(path: Path, problem: str, stage: str) -> ErcError:
    """Return the error of a file that does not hold what its stage writes."""
    return ErcError(f"{path}: {problem}; make it again with `dvc repro --force {stage}`")
