"""Reader of a user's own corpus: one CSV, TSV or Parquet file, and perhaps clips beside it; see docs/own_corpus.md."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl

from erc_core.corpora.corpus import SECTION, Corpus
from erc_core.corpora.table.cells import ClipFolder, alike
from erc_core.corpora.table.columns import match_columns
from erc_core.corpora.table.file import SUFFIXES, read_file
from erc_core.corpora.table.issues import Findings, quoted
from erc_core.corpora.table.rows import RowReader, Utterance
from erc_core.corpora.table.splits import check_split, make_split
from erc_core.errors import ErcError
from erc_core.params.data import TableIngest
from erc_core.store.utterances import SCHEMA


def read_own_table(folder: Path, params: TableIngest, section: str = SECTION) -> Corpus:
    """Read the table, find the clips, and split the utterances where the table does not.

    Args:
        folder: The raw folder; the table and all clips lie inside it.
        params: Section ingest.<dataset>.
        section: The name of that section, for messages.

    Returns:
        One row for each row of the table that is not blank, in its order; see erc_core.store.utterances.SCHEMA.

    Raises:
        ErcError: The file cannot be read, or holds what its author must mend: every such place is told by row and
            column, one line each, at most 50.
    """
    path = _table_path(folder, params.file, section)
    findings = Findings(str(path))
    table = read_file(path, findings)
    complete = not findings.problems
    columns = match_columns(table, params, findings)
    utterances = RowReader(columns, ClipFolder(folder, path.parent), findings, params.split_by).read(table.rows)
    if "split" in columns:
        check_split(utterances, params, columns, findings, complete)
        made = "as the table has it"
    else:
        findings.raise_problems()
        make_split(utterances, params, columns, findings)
        check_split(utterances, params, columns, findings, complete)
        made = f"seeded (seed {params.seed}), by whole {params.split_by}s"
    findings.raise_problems()
    _note_labels(utterances, columns, findings)
    return Corpus(
        pl.DataFrame([_as_row(utterance) for utterance in utterances], schema=SCHEMA, orient="row"),
        issues=findings.issues,
        facts={"table": params.file, "split": made},
    )


def _table_path(folder: Path, name: str, section: str) -> Path:
    if not folder.is_dir():
        raise ErcError(
            f"{folder}: no such folder. Expected there: {name}, one table of the corpus ({', '.join(SUFFIXES)}), and the clips "
            f"that it names; docs/own_corpus.md says more. If it lies elsewhere, say where in params.yaml: {section}.raw_dir"
        )
    path, raw = folder / name, os.path.realpath(folder)
    try:
        inside = Path(os.path.realpath(path)).is_relative_to(raw)
        is_file = path.is_file()
    except (OSError, ValueError):  # too long for a name, or NUL in it
        inside, is_file = True, False
    if not inside:
        raise ErcError(f"{path}: `file` must lie inside the raw folder; {section}.raw_dir chooses another folder")
    if not is_file:
        tables = sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES)
        listed = f"found {', '.join(tables[:5])}" if tables else f"no {', '.join(SUFFIXES)} file is there"
        raise ErcError(f"{path}: not found; {listed}. {section}.file names the table, {section}.raw_dir its folder")
    return path


def _note_labels(utterances: list[Utterance], columns: dict[str, str], findings: Findings) -> None:
    for ours in ("emotion", "speaker"):
        counts = Counter(one.cells.get(ours, "") for one in utterances)
        for group in alike(list(counts)):
            labels = ", ".join(f"{quoted(label)} ({counts[label]:,})" for label in group)
            detail = f"column {columns[ours]}: {labels} differ only in case, spaces or punctuation"
            findings.note(findings.file_name, f"alike_{ours}s", detail, "kept apart")
    for emotion in sorted({one.cells["emotion"] for one in utterances if "," in one.cells["emotion"]}):
        detail = f"column {columns['emotion']}: {quoted(emotion)} holds a comma"
        findings.note(findings.file_name, "comma_in_emotion", detail, "kept as one label")


def _as_row(one: Utterance) -> tuple[Any, ...]:
    return (
        one.utterance_id,
        one.split,
        one.dialogue_id,
        one.turn,
        one.cells.get("speaker", ""),
        one.cells.get("text", ""),
        one.cells["emotion"],
        one.audio_path,
        "ok" if one.audio_path else "missing",
    )
