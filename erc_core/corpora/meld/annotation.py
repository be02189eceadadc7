"""Reading of MELD's annotation CSVs, the old ones with damaged characters among them."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from erc_core.corpora.corpus import DataIssue
from erc_core.corpora.meld.layout import EMOTIONS
from erc_core.corpora.text_repair import decode, long_text, mend
from erc_core.errors import ErcError

COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
SHOWN = 60  # characters of a damaged value that an issue shows

_NUMBER = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class AnnotatedRow:
    """A row that can be used.

    Attributes:
        number: Of the dialogue, and of the utterance in it; they restart in every split and have gaps.
        text: What is said.
        speaker: Who says it.
        emotion: One of EMOTIONS.
    """

    number: tuple[int, int]
    text: str
    speaker: str
    emotion: str


@dataclass
class Annotation:
    """A split's annotation.

    Attributes:
        rows: In the order of the file.
        n_rows: Number of rows in the file, with those that cannot be used.
        numbers: Of all rows that have any, also where the row was left out for its label.
        issues: What was wrong, and what was done.
    """

    rows: list[AnnotatedRow] = field(default_factory=list)
    n_rows: int = 0
    numbers: set[tuple[int, int]] = field(default_factory=set)
    issues: list[DataIssue] = field(default_factory=list)


def read_annotation(path: Path, split: str) -> Annotation:
    """Read a split's CSV; a row that cannot be used is recorded and left out.

    Raises:
        ErcError: The file is not readable, is empty, is no CSV, or has not the columns that MELD has.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ErcError(f"{path}: not readable: {error.strerror}") from None
    text, old_lines = decode(content, str(path))
    rows = _csv_rows(text, path)
    header = next(rows, None)
    if header is None:
        raise ErcError(f"{path}: is empty; expected a CSV with the columns {', '.join(COLUMNS)}")
    names = [mend(name).text.strip() for name in header[1]]
    absent = [column for column in COLUMNS if column not in names]
    if absent:
        raise ErcError(f"{path}: columns {absent} are missing; found {[name[:SHOWN] for name in names[:20]]}")
    columns = {column: names.index(column) for column in COLUMNS}
    annotation = Annotation()
    old = set(old_lines)
    for lines, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        annotation.n_rows += 1
        where = f"{path.name} line {lines.start}"
        if len(cells) <= max(columns.values()) or any(cells[len(names) :]):
            detail = f"{len(cells)} fields, the header has {len(names)}"
            annotation.issues.append(DataIssue(where, "damaged_row", detail, "left out"))
            continue
        values = {column: cells[place] for column, place in columns.items()}
        _add_row(annotation, values, split, where, was_cp1252=not old.isdisjoint(lines))
    return annotation


def _csv_rows(text: str, path: Path) -> Iterator[tuple[range, list[str]]]:
    """Iterate over (numbers of the lines, cells) of the rows that are not blank."""
    # strict: a quote that is never closed would swallow the rest of the file without a word
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise ErcError(f"{path}: not readable as CSV: the row that begins in line {start}: {error}") from None
        if cells is None:
            return
        if cells:
            yield range(start, reader.line_num + 1), cells
        start = reader.line_num + 1


def _add_row(annotation: Annotation, values: dict[str, str], split: str, where: str, *, was_cp1252: bool) -> None:
    issues = annotation.issues
    ids = [values[column].strip() for column in ("Dialogue_ID", "Utterance_ID")]
    if not all(map(_NUMBER.fullmatch, ids)):
        detail = f"Dialogue_ID {ids[0][:SHOWN]!r}, Utterance_ID {ids[1][:SHOWN]!r}: expected whole numbers"
        issues.append(DataIssue(where, "damaged_id", detail, "left out"))
        return
    number = (int(ids[0]), int(ids[1]))
    utterance_id = name_of(split, number)
    if number in annotation.numbers:
        issues.append(DataIssue(utterance_id, "repeated_row", f"again in {where}", "the first row is kept"))
        return
    annotation.numbers.add(number)
    texts = _mended_texts(annotation, values, utterance_id, was_cp1252=was_cp1252)
    emotion = texts["Emotion"].strip().lower()
    if emotion not in EMOTIONS:
        detail = f"{emotion[:SHOWN]!r} is none of {', '.join(EMOTIONS)}"
        issues.append(DataIssue(utterance_id, "unknown_emotion", detail, "left out"))
        return
    if not texts["Utterance"].strip():
        issues.append(DataIssue(utterance_id, "empty_text", "no words", "kept, with an empty text"))
    issues += [DataIssue(utterance_id, *record) for record in long_text(texts["Utterance"])]
    annotation.rows.append(AnnotatedRow(number, texts["Utterance"], texts["Speaker"].strip(), emotion))


def _mended_texts(
    annotation: Annotation, values: dict[str, str], utterance_id: str, *, was_cp1252: bool
) -> dict[str, str]:
    """Return the texts of a row without damaged characters; each kind of damage is recorded once for the row."""
    texts: dict[str, str] = {}
    found: Counter[str] = Counter()
    for column in ("Utterance", "Speaker", "Emotion"):
        mended = mend(values[column])
        texts[column] = mended.text
        found["decoded"] += mended.decoded
        found["blanked"] += mended.blanked
    if was_cp1252:
        annotation.issues.append(DataIssue(utterance_id, "mended_text", "the line is not UTF-8", "read as cp1252"))
    if found["decoded"]:
        detail = f"{found['decoded']} characters U+0080 to U+009F"
        annotation.issues.append(DataIssue(utterance_id, "mended_text", detail, "read as cp1252"))
    if found["blanked"]:
        detail = f"{found['blanked']} control characters or line breaks"
        annotation.issues.append(DataIssue(utterance_id, "control_character", detail, "a space for each run"))
    return texts


def name_of(split: str, number: tuple[int, int]) -> str:
    """Return the id of an utterance: numbers restart in every split, so it carries the split."""
    return f"{split}_dia{number[0]}_utt{number[1]}"
