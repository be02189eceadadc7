"""Everything in a corpus that was met by a rule, as one table: from ingest, and from the decoding of clips."""

from pathlib import Path

import polars as pl

from erc_core.datacard.source import CardSource
from erc_core.features.status import ClipStatus
from erc_core.reporting.clean import clean
from erc_core.store.atomic import atomic_file

SCHEMA = pl.Schema(
    [
        ("where", pl.String()),  # utterance id, file, or file and row
        ("split", pl.String()),  # null where it concerns no utterance of the table
        ("kind", pl.String()),  # rule of ingest, or status of the clip
        ("detail", pl.String()),  # what was found, on one line
        ("action", pl.String()),  # what was done
    ]
)
ISSUES_FILE = "data_issues.csv"


def issue_table(source: CardSource) -> pl.DataFrame:
    """Return one row per issue: by kind, and within it files first, then utterances in the order of the corpus.

    Args:
        source: What is known about the corpus.
    """
    found = [(issue.where, clean(issue.kind), clean(issue.detail), clean(issue.action)) for issue in source.issues]
    clips = source.utterances.filter(pl.col("clip_status") != ClipStatus.OK.value)
    found += [
        (utterance_id, status, clean(detail), ClipStatus(status).action)
        for utterance_id, status, detail in clips.select("utterance_id", "clip_status", "clip_detail").iter_rows()
    ]
    table = pl.DataFrame(found, schema=["where", "kind", "detail", "action"], orient="row", schema_overrides=SCHEMA)
    order = source.utterances.select(where="utterance_id", split=pl.col("split").cast(pl.String)).with_row_index(
        "order"
    )
    return (
        table.join(order, on="where", how="left")
        .sort("kind", "order", "where", "detail", "action", nulls_last=False)
        .select(SCHEMA.names())
    )


def write_issues(issues: pl.DataFrame, folder: Path) -> None:
    """Write folder/data_issues.csv; without issues it has its head only."""
    with atomic_file(folder / ISSUES_FILE) as partial:
        issues.write_csv(partial)
