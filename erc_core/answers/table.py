"""The answer as a table: predictions.csv and predictions.parquet."""

from pathlib import Path

import polars as pl

from erc_core.answers.answered import Answered
from erc_core.answers.paths import relative_path
from erc_core.store.tables import write_csv, write_parquet


def write_tables(answered: Answered, csv: Path, parquet: Path) -> None:
    """Write every column and row of the answer. Paths in `audio` are relative to the table, as in a corpus of one's own."""
    table = answered.table
    audio = answered.columns.get("audio", "audio")
    if table.schema.get(audio) == pl.String():
        paths = {path: relative_path(path, csv.parent) for path in table[audio].unique() if path}
        table = table.with_columns(pl.col(audio).replace(paths))
    write_parquet(table, parquet)
    # a cell of a CSV file holds no list
    nested = [name for name, kind in table.schema.items() if kind.is_nested() or kind in (pl.Object, pl.Binary)]
    lengths = pl.selectors.duration().dt.to_string()
    write_csv(table.drop(nested).with_columns(lengths), csv)
