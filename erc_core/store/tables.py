"""Parquet tables that a stage hands on to the next."""

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
