"""Tables that a stage hands on to the next, as Parquet or CSV."""

from collections.abc import Set as AbstractSet
from pathlib import Path

import polars as pl

from erc_core.errors import ErcError


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
        table = pl.read_csv(path.read_bytes(), schema_overrides=columns)
    except FileNotFoundError:
        raise ErcError(f"{path}: not found; the stage {stage} makes it: run `dvc repro`") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise damaged(path, f"is not the CSV file expected: {str(error).splitlines()[0]}", stage) from None
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise damaged(path, f"has no column {missing[0]!r}", stage)
    if table.is_empty():
        raise damaged(path, "has no rows", stage)
    empty = [name for name in columns if name not in may_be_empty and table[name].null_count()]
    if empty:
        raise damaged(path, f"has an empty cell in column {empty[0]!r}", stage)
    return table.select(list(columns))


def damaged(path: Path, problem: str, stage: str) -> ErcError:
    """Return the error of a file that does not hold what its stage writes."""
    return ErcError(f"{path}: {problem}; make it again with `dvc repro --force {stage}`")
