"""Reader of a user's own corpus: one CSV, TSV or Parquet file, and perhaps clips beside it; see docs/own_corpus.md."""

import os
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Literal

from erc_core.corpora.corpus import Corpus, utterance_table
from erc_core.corpora.splitting import SplitError, linked_groups, seeded_split
from erc_core.corpora.table.columns import match_columns
from erc_core.corpora.table.file import SUFFIXES, read_file
from erc_core.corpora.table.issues import HEADER_ROW, Findings, quoted
from erc_core.corpora.table.rows import RowReader, Utterance, locate
from erc_core.errors import ErcError
from erc_core.params.data import TableIngest
from erc_core.store.utterances import SPLITS

Columns = dict[str, str]  # ours -> theirs


class TableSettings(TableIngest):
    """Section ingest.<dataset> with a value for everything that params.yaml leaves out."""

    split_by: Literal["dialogue", "speaker"] = "dialogue"
    dev_share: float = 0.1
    test_share: float = 0.2
    seed: int = 0


def read_table(folder: Path, settings: TableSettings, _unpack_to: Path, section: str) -> Corpus:
    """Read the table, find the clips, and split the utterances where the table does not; see corpora.readers.

    There is a row for each row of the table that is not blank, in its order. ErcError where the file cannot be read, or
    holds what its author must mend: every such place by row and column, one line each, at most 50.
    """
    path = _table_path(folder, settings.file, section)
    findings = Findings(path)
    table = read_file(path, findings)
    complete = not findings.problems
    columns = match_columns(table, settings, findings)
    raw = Path(os.path.realpath(folder))
    utterances = RowReader(columns, raw, path.parent, findings, settings.split_by).read(table.rows)
    split = "as the table has it"
    if "split" not in columns:
        findings.raise_problems()
        _make_split(utterances, settings, columns, findings)
        split = f"seeded (seed {settings.seed}), by whole {settings.split_by}s"
    _check_split(utterances, settings.split_by, columns, findings, complete)
    findings.raise_problems()
    _note_labels(utterances, columns, findings)
    rows = ({"speaker": "", "text": ""} | utterance.cells | vars(utterance) for utterance in utterances)
    return Corpus(utterance_table(rows), issues=findings.issues, facts={"table": settings.file, "split": split})


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


def _make_split(utterances: list[Utterance], settings: TableSettings, columns: Columns, findings: Findings) -> None:
    """Give every utterance a split by whole dialogues or speakers; refuse in findings where there is none."""
    dialogues = [utterance.dialogue_id for utterance in utterances]
    if settings.split_by == "speaker":
        groups = linked_groups([utterance.cells["speaker"] for utterance in utterances], dialogues)
        units = "speakers (linked ones, who share a dialogue, count once)"
    else:
        groups, units = dialogues, "dialogues"
        if "dialogue_id" not in columns:
            units += " (each row is one, as there is no column dialogue_id)"
        if not {"dialogue_id", "utterance_id"} & columns.keys():
            # row numbers change with the order of the rows, contents do not; and copies stay together
            groups = [f"{u.cells.get('text', '')}\n{u.cells.get('audio', '')}" for u in utterances]
    emotions = [utterance.cells["emotion"] for utterance in utterances]
    try:
        splits = seeded_split(groups, emotions, settings.dev_share, settings.test_share, settings.seed)
    except SplitError as error:
        findings.refuse(f"seeded split by whole {units}: {error}")
        return
    for utterance, split in zip(utterances, splits, strict=True):
        utterance.split = split


def _check_split(
    utterances: list[Utterance], split_by: str, columns: Columns, findings: Findings, complete: bool
) -> None:
    """Refuse a dialogue or (with split_by: speaker) a speaker in two splits, an empty split, emotions that train lacks.

    What is lacking is judged only where no row was refused before, and where every utterance has a split.
    """
    for ours in ("dialogue_id", "speaker") if split_by == "speaker" else ("dialogue_id",):
        _check_whole(utterances, ours, columns, findings)
    if not complete or not all(utterance.split for utterance in utterances):
        return
    present = {utterance.split for utterance in utterances}
    for split in [split for split in SPLITS if split not in present]:
        findings.refuse(f"no row is in the {split} split; columns: {{split: ''}} makes a seeded split instead")
    if "emotion" not in columns or "train" not in present:
        return
    known = {utterance.cells["emotion"] for utterance in utterances if utterance.split == "train"} - {""}
    for utterance in utterances:
        emotion = utterance.cells["emotion"]
        if emotion and emotion not in known:
            known.add(emotion)
            problem = f"{quoted(emotion)} occurs in {utterance.split} but not in train, and so cannot be learned"
            findings.refuse(problem, utterance.row, columns["emotion"])
    if len({utterance.cells["emotion"] for utterance in utterances}) == 1 and known:
        findings.refuse(
            "every row has the same emotion: there is nothing to tell apart", HEADER_ROW, columns["emotion"]
        )


def _check_whole(utterances: list[Utterance], ours: str, columns: Columns, findings: Findings) -> None:
    """Refuse a dialogue or speaker that is in two splits, once each."""
    first: dict[str, Utterance] = {}
    refused: set[str] = set()
    for utterance in utterances:
        name = utterance.cells.get(ours, "")
        if not name or not utterance.split or name in refused:
            continue
        other = first.setdefault(name, utterance)
        if other.split != utterance.split:
            refused.add(name)
            problem = f"{quoted(name)} is in {utterance.split}, but in {other.split} in row {other.row}"
            findings.refuse(problem, utterance.row, columns[ours])


def _note_labels(utterances: list[Utterance], columns: Columns, findings: Findings) -> None:
    for ours in ("emotion", "speaker"):
        counts = Counter(utterance.cells.get(ours, "") for utterance in utterances)
        for group in _alike(list(counts)):
            labels = ", ".join(f"{quoted(label)} ({counts[label]:,})" for label in group)
            detail = f"column {columns[ours]}: {labels} differ only in case, spaces or punctuation"
            findings.note(findings.path.name, f"alike_{ours}s", detail, "kept apart")
    for emotion in sorted({utterance.cells["emotion"] for utterance in utterances}):
        if "," in emotion:
            detail = f"column {columns['emotion']}: {quoted(emotion)} holds a comma"
            findings.note(findings.path.name, "comma_in_emotion", detail, "kept as one label")


def _alike(labels: list[str]) -> list[list[str]]:
    """Return the labels that differ only in case, spaces or punctuation, together."""
    same: dict[str, list[str]] = {}
    for label in sorted(set(labels)):
        folded = unicodedata.normalize("NFKC", label).casefold()
        same.setdefault("".join(filter(str.isalnum, folded)) or label, []).append(label)
    return [group for group in same.values() if len(group) > 1]
