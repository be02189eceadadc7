"""Reader of a user's own corpus: one CSV, TSV or Parquet file, and perhaps clips beside it; see docs/own_corpus.md."""

import os
from collections import Counter
from pathlib import Path

from erc_core.corpora.corpus import Corpus, utterance_table
from erc_core.corpora.table.cells import alike, locate
from erc_core.corpora.table.columns import match_columns
from erc_core.corpora.table.file import SUFFIXES, read_file
from erc_core.corpora.table.issues import Findings, quoted
from erc_core.corpora.table.rows import RowReader, Utterance
from erc_core.corpora.table.splits import TableSettings, check_split, make_split
from erc_core.errors import ErcError


def read_table(folder: Path, settings: TableSettings, _unpack_to: Path, section: str) -> Corpus:
    """Read the table, find the clips, and split the utterances where the table does not; see erc_core.corpora.readers.Reader.

    Returns:
        One row for each row of the table that is not blank, in its order.

    Raises:
        ErcError: The file cannot be read, or holds what its author must mend: every such place by row and column, one line
            each, at most 50.
    """
    path = _table_path(folder, settings.file, section)
    findings = Findings(str(path))
    table = read_file(path, findings)
    complete = not findings.problems
    columns = match_columns(table, settings, findings)
    raw = Path(os.path.realpath(folder))
    utterances = RowReader(columns, raw, path.parent, findings, settings.split_by).read(table.rows)
    split = "as the table has it"
    if "split" not in columns:
        findings.raise_problems()
        make_split(utterances, settings, columns, findings)
        split = f"seeded (seed {settings.seed}), by whole {settings.split_by}s"
    check_split(utterances, settings, columns, findings, complete)
    findings.raise_problems()
    _note_labels(utterances, columns, findings)
    empty = {"speaker": "", "text": ""}
    rows = [empty | utterance.cells | vars(utterance) for utterance in utterances]
    facts = {"table": settings.file, "split": split}
    return Corpus(utterance_table(rows), issues=findings.issues, facts=facts)


def _table_path(folder: Path, name: str, section: str) -> Path:
    if not folder.is_dir():
        raise ErcError(
            f"{folder}: no such folder. Expected there: {name}, one table of the corpus ({', '.join(SUFFIXES)}), and the clips "
            f"that it names; docs/own_corpus.md says more. If it lies elsewhere, say where in params.yaml: {section}.raw_dir"
        )
    path, raw = folder / name.replace("\\", "/"), Path(os.path.realpath(folder))
    inside, outcome = locate(name, raw, raw)
    if inside is None:
        raise ErcError(f"{path}: `file` must lie inside the raw folder; {section}.raw_dir chooses another folder")
    if outcome != "found":
        tables = sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES)
        listed = f"found {', '.join(tables[:5])}" if tables else f"no {', '.join(SUFFIXES)} file is there"
        raise ErcError(f"{path}: not found; {listed}. {section}.file names the table, {section}.raw_dir its folder")
    return path


def _note_labels(utterances: list[Utterance], columns: dict[str, str], findings: Findings) -> None:
    for ours in ("emotion", "speaker"):
        counts = Counter(utterance.cells.get(ours, "") for utterance in utterances)
        for group in alike(list(counts)):
            labels = ", ".join(f"{quoted(label)} ({counts[label]:,})" for label in group)
            detail = f"column {columns[ours]}: {labels} differ only in case, spaces or punctuation"
            findings.note(findings.file_name, f"alike_{ours}s", detail, "kept apart")
    for emotion in sorted({utterance.cells["emotion"] for utterance in utterances}):
        if "," in emotion:
            detail = f"column {columns['emotion']}: {quoted(emotion)} holds a comma"
            findings.note(findings.file_name, "comma_in_emotion", detail, "kept as one label")
