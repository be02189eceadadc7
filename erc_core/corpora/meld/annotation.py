"""Reading of MELD's annotation CSVs, the old ones with damaged characters among them."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from erc_core.corpora.csv_rows import parse_csv, read_bytes
from erc_core.corpora.meld.layout import EMOTIONS, utterance_id
from erc_core.corpora.text_repair import decode, long_text, mend, repairs
from erc_core.errors import ErcError
from erc_core.store.ingest import DataIssue

COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
SHOWN = 60  # characters of a damaged value that an issue shows
LONGEST_CELL = 2**17  # characters; a longer one is no annotation

_NUMBER = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class AnnotatedRow:
    """A row that can be used."""

    number: tuple[int, int]  # of the dialogue, and of the utterance in it; they restart in every split and have gaps
    text: str
    speaker: str
    emotion: str  # one of EMOTIONS


@dataclass
class Annotation:
    """A split's annotation."""

    rows: list[AnnotatedRow] = field(default_factory=list)  # in the order of the file
    n_rows: int = 0  # in the file, with those that cannot be used
    numbers: set[tuple[int, int]] = field(default_factory=set)  # of all rows, also those left out for their label
    issues: list[DataIssue] = field(default_factory=list)


def read_annotation(path: Path, split: str) -> Annotation:
    """Read a split's CSV; a row that cannot be used is recorded and left out.

    ErcError where the file is not readable, is empty, is no CSV, or has not the columns that MELD has.
    """
    # strict: a stray quotation mark would swallow the rest of a line without a word
    table = parse_csv(decode(read_bytes(path), str(path)), longest_cell=LONGEST_CELL, strict=True)
    header, damaged = table.header, table.damaged
    if damaged:
        raise ErcError(f"{path}: not readable as CSV: the row that begins in line {damaged.line}: {table.damage}")
    if not header:
        raise ErcError(f"{path}: is empty; expected a CSV with the columns {', '.join(COLUMNS)}")
    if absent := [column for column in COLUMNS if column not in header]:
        raise ErcError(f"{path}: columns {absent} are missing; found {[name[:SHOWN] for name in header[:20]]}")
    columns = {column: header.index(column) for column in COLUMNS}
    annotation = Annotation()
    for row in (row for row in table.rows if not row.is_blank):
        annotation.n_rows += 1
        where = f"{path.name} line {row.line}"
        if len(row.cells) <= max(columns.values()) or any(row.cells[len(header) :]):
            detail = f"{len(row.cells)} fields, the header has {len(header)}"
            annotation.issues.append(DataIssue(where, "damaged_row", detail, "left out"))
        else:
            _add_row(annotation, {column: row.cells[place] for column, place in columns.items()}, split, where)
    return annotation


def _add_row(annotation: Annotation, values: dict[str, str], split: str, where: str) -> None:
    issues = annotation.issues
    ids = [values[column].strip() for column in ("Dialogue_ID", "Utterance_ID")]
    if not all(map(_NUMBER.fullmatch, ids)):
        detail = f"Dialogue_ID {ids[0][:SHOWN]!r}, Utterance_ID {ids[1][:SHOWN]!r}: expected whole numbers"
        issues.append(DataIssue(where, "damaged_id", detail, "left out"))
        return
    number = (int(ids[0]), int(ids[1]))
    name = utterance_id(split, number)
    if number in annotation.numbers:
        issues.append(DataIssue(name, "repeated_row", f"again in {where}", "the first row is kept"))
        return
    annotation.numbers.add(number)
    mended = [mend(values[column]) for column in ("Utterance", "Speaker", "Emotion")]
    issues += [DataIssue(name, *rule) for rule in repairs(*mended)]
    text, speaker, emotion = (cell.text for cell in mended)
    emotion = emotion.strip().lower()
    if emotion not in EMOTIONS:
        detail = f"{emotion[:SHOWN]!r} is none of {', '.join(EMOTIONS)}"
        issues.append(DataIssue(name, "unknown_emotion", detail, "left out"))
        return
    if not text.strip():
        issues.append(DataIssue(name, "empty_text", "no words", "kept, with an empty text"))
    issues += [DataIssue(name, *rule) for rule in long_text(text)]
    annotation.rows.append(AnnotatedRow(number, text, speaker.strip(), emotion))
