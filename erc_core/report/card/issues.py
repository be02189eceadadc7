"""Everything in a corpus that was met by a rule, as one table: from ingest, and from the decoding of clips."""

from pathlib import Path

import polars as pl

from erc_core.report.card.source import CardSource
from erc_core.report.page.clean import clean
from erc_core.report.page.formats import plural
from erc_core.store.clips import ClipStatus
from erc_core.store.tables import write_csv
from erc_core.store.utterances import SPLITS

SCHEMA = pl.Schema(
    [
        ("where", pl.String()),  # utterance id, file, or file and row
        ("split", pl.String()),  # null where it concerns no utterance of the table
        ("kind", pl.String()),  # rule of ingest, or status of the clip
        ("detail", pl.String()),  # what was found, on one line
        ("action", pl.String()),  # what was done
    ]
)
IS_MISSING = pl.col("audio_path").is_null() & (pl.col("clip_status") == ClipStatus.MISSING.value)
KINDS_OF_READER = ("missing_clip", "empty_audio")  # kinds of issue that say that an utterance has no clip
ISSUES_FILE = "data_issues.csv"


def issue_table(source: CardSource) -> pl.DataFrame:
    """Return one row per issue: by kind, and within it files first, then utterances in the order of the corpus.

    A split or corpus without any clip is one row, not one for each utterance. A clip that the reader has reported as
    missing is not reported again by the decoder, which looked for nothing.
    """
    found = [(issue.where, clean(issue.kind), clean(issue.detail), clean(issue.action)) for issue in source.issues]
    table = source.utterances.with_columns(split=pl.col("split").cast(pl.String))
    silent = {split: len(rows) for split in SPLITS if _has_no_clips(rows := table.filter(pl.col("split") == split))}
    found += [
        (where, ClipStatus.MISSING.value, f"none of {plural(n, 'utterance')} has a clip", "text only")
        for where, n in ({"all splits": len(table)} if len(silent) == len(SPLITS) else silent).items()
    ]
    reported = [issue.where for issue in source.issues if issue.kind in KINDS_OF_READER]
    is_reported = IS_MISSING & (pl.col("split").is_in(list(silent)) | pl.col("utterance_id").is_in(reported))
    clips = table.filter((pl.col("clip_status") != ClipStatus.OK.value) & ~is_reported)
    found += [
        (utterance_id, status, clean(detail), ClipStatus(status).action)
        for utterance_id, status, detail in clips.select("utterance_id", "clip_status", "clip_detail").iter_rows()
    ]
    issues = pl.DataFrame(found, schema=["where", "kind", "detail", "action"], orient="row", schema_overrides=SCHEMA)
    order = table.select(where="utterance_id", split="split").with_row_index("order")
    return (
        issues.join(order, on="where", how="left")
        .sort("kind", "order", "where", "detail", "action", nulls_last=False)
        .select(SCHEMA.names())
    )


def _has_no_clips(split: pl.DataFrame) -> bool:
    return bool(split.select(IS_MISSING.all()).item())


def write_issues(issues: pl.DataFrame, folder: Path) -> None:
    """Write folder/data_issues.csv; without issues it has its head only."""
    write_csv(issues, folder / ISSUES_FILE)
