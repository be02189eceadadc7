"""The rows of a user's table as utterances: every cell judged, problems and issues recorded with their place."""

import difflib
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from erc_core.corpora.corpus import leads_out
from erc_core.corpora.table.file import Row
from erc_core.corpora.table.issues import HEADER_ROW, Findings, quoted
from erc_core.corpora.text_repair import long_text, mend, repairs

SPLIT_WORDS = {
    "train": ("train", "training", "trn"),
    "dev": ("dev", "devel", "development", "val", "valid", "validation"),
    "test": ("test", "testing", "tst"),
}
SPLIT_OF = {word: split for split, words in SPLIT_WORDS.items() for word in words}
LARGEST_TURN = 2**31 - 1

_ELSEWHERE = re.compile(r"[/\\]|[A-Za-z]:|[A-Za-z][A-Za-z0-9+.-]+://")
_WHOLE_NUMBER = re.compile(r"([+-]?[0-9]{1,10})(\.0*)?")


@dataclass
class Utterance:
    """One row of the table."""

    row: int  # as a spreadsheet numbers it
    cells: dict[str, str]  # our column -> mended text, for the columns that the table has; empty where it has no value
    utterance_id: str = ""  # the table's, or of dialogue and turn, or of the row's number
    dialogue_id: str = ""  # the table's, or the utterance's own id
    split: str = ""  # train, dev or test; empty while it is unknown
    turn: int | None = None  # the table's, or counted in the order of the file
    audio_path: str | None = None  # relative to the raw folder; None where there is no such file


@dataclass(frozen=True)
class RowReader:
    """Judges the rows one by one, then what concerns several of them."""

    columns: dict[str, str]  # our column -> theirs
    raw: Path  # the raw folder, without links
    beside: Path  # the folder that holds the table
    findings: Findings
    split_by: str  # "speaker" makes every row need one

    def read(self, rows: list[Row]) -> list[Utterance]:
        """Return an utterance for each row that is not blank; what is wrong goes to the findings."""
        if self.split_by == "speaker" and "speaker" not in self.columns:
            self.findings.refuse("no column 'speaker', but split_by: speaker needs it", HEADER_ROW)
        utterances, blank = [], []
        for number, row in rows:
            cells = {ours: row[theirs] for ours, theirs in self.columns.items()}
            if any(cell.strip() for cell in cells.values()):
                utterances.append(self._utterance(number, cells))
            elif cells:
                blank.append(number)
        if blank:
            listed = ", ".join(map(str, blank[:10])) + (", ..." if len(blank) > 10 else "")
            detail = f"{len(blank):,} blank rows: {listed}"
            self.findings.note(self.findings.path.name, "blank_rows", detail, "left out")
        self._check_ids(utterances)
        self._check_turns(utterances)
        if not self.findings.problems and not any(u.audio_path or u.cells.get("text") for u in utterances):
            missing = (
                f"no text, and no clip is there, such as {quoted(utterances[0].cells['audio'])}" if utterances else ""
            )
            self.findings.refuse(missing or "every row is blank")
        return utterances

    def _utterance(self, row: int, raw: dict[str, str]) -> Utterance:
        mended = {ours: mend(cell, strip=True) for ours, cell in raw.items()}
        utterance = Utterance(row, {ours: cell.text for ours, cell in mended.items()})
        for ours in ("emotion", "utterance_id", "dialogue_id", *["speaker"] * (self.split_by == "speaker")):
            if not utterance.cells.get(ours, ours):
                self._refuse(row, ours, "empty")
        self._take_ids(utterance)
        for ours, cell in mended.items():
            for rule in repairs(cell):
                self._note(utterance, ours, *rule)
        self._take_split(utterance)
        self._take_content(utterance)
        return utterance

    def _take_ids(self, utterance: Utterance) -> None:
        cells = utterance.cells
        if "turn" in cells:
            utterance.turn = parse_turn(cells["turn"])
            if utterance.turn is None:
                problem = f"{quoted(cells['turn'])} is not a whole number" if cells["turn"] else "empty"
                self._refuse(utterance.row, "turn", problem)
        if "utterance_id" in cells:
            utterance.utterance_id = cells["utterance_id"]
        elif "dialogue_id" not in cells or "turn" not in cells:
            utterance.utterance_id = f"row_{utterance.row}"
        elif utterance.turn is not None:
            utterance.utterance_id = f"{cells['dialogue_id']}_{utterance.turn}"
        utterance.dialogue_id = cells.get("dialogue_id", utterance.utterance_id)

    def _take_split(self, utterance: Utterance) -> None:
        word = utterance.cells.get("split")
        if word is None:
            return
        utterance.split = SPLIT_OF.get(word.casefold(), "")
        if not utterance.split:
            near = difflib.get_close_matches(word.casefold(), SPLIT_OF, n=1)
            hint = f"; the nearest is {near[0]!r}" if near else ""
            problem = f"{quoted(word)} is none of train, dev (or validation), test{hint}" if word else "empty"
            self._refuse(utterance.row, "split", problem)

    def _take_content(self, utterance: Utterance) -> None:
        cells = utterance.cells
        text, audio = cells.get("text", ""), cells.get("audio", "")
        if not text and not audio:
            content = [ours for ours in ("text", "audio") if ours in cells]
            other = "so is the audio" if len(content) == 2 else "there is nothing else to classify"
            for ours in content[:1]:
                self._refuse(utterance.row, ours, f"empty, and {other}")
            return
        for rule in long_text(text):
            self._note(utterance, "text", *rule)
        if "text" in cells and not text:
            self._note(utterance, "text", "empty_text", "empty", "audio only")
        if "audio" in cells and not audio:
            self._note(utterance, "audio", "empty_audio", "empty", "text only")
        if audio:
            self._take_clip(utterance, audio)

    def _take_clip(self, utterance: Utterance, audio: str) -> None:
        path, outcome = locate(audio, self.beside, self.raw)
        if path is None:
            self._refuse(utterance.row, "audio", f"{quoted(audio)} {outcome}")
        elif outcome == "found":
            utterance.audio_path = path
        else:
            action = "text only" if utterance.cells.get("text") else "kept, with neither speech nor text"
            self._note(utterance, "audio", "missing_clip", f"{quoted(audio)}: {outcome}", action)

    def _check_ids(self, utterances: list[Utterance]) -> None:
        first: dict[str, int] = {}
        for utterance in utterances:
            row = first.setdefault(utterance.utterance_id, utterance.row)
            if row == utterance.row or not utterance.utterance_id:
                continue
            ours, name = "utterance_id", quoted(utterance.utterance_id)
            if ours not in self.columns:  # it is of dialogue and turn: row numbers do not repeat
                ours, name = "turn", f"turn {utterance.turn} of dialogue {quoted(utterance.cells['dialogue_id'])}"
            self._refuse(utterance.row, ours, f"{name} is also in row {row}")

    def _check_turns(self, utterances: list[Utterance]) -> None:
        following: Counter[str] = Counter()
        first: dict[tuple[str, int | None], int] = {}
        for utterance in utterances:
            if "turn" not in self.columns:
                utterance.turn = following[utterance.dialogue_id]
                following[utterance.dialogue_id] += 1
            elif "utterance_id" in self.columns:
                row = first.setdefault((utterance.dialogue_id, utterance.turn), utterance.row)
                if row != utterance.row:
                    detail = f"turn {utterance.turn} of the same dialogue is also in row {row}"
                    self._note(utterance, "turn", "repeated_turn", detail, "kept, in the order of the file")

    def _refuse(self, row: int, ours: str, what: str) -> None:
        self.findings.refuse(what, row, self.columns[ours])

    def _note(self, utterance: Utterance, ours: str, kind: str, detail: str, action: str) -> None:
        place = f"row {utterance.row}, column {self.columns[ours]}"
        self.findings.note(utterance.utterance_id, kind, f"{place}: {detail}", action)


def parse_turn(cell: str) -> int | None:
    """Return a whole number, 3.0 included, or None where it is none."""
    match = _WHOLE_NUMBER.fullmatch(cell)
    turn = int(match[1]) if match else LARGEST_TURN + 1
    return turn if abs(turn) <= LARGEST_TURN else None


def locate(cell: str, beside: Path, raw: Path) -> tuple[str | None, str]:
    """Follow a path that a user names, relative to `beside`, to nowhere outside the raw folder, which has no links.

    Returns the path relative to the raw folder, None where it may not be followed; and "found", or what is wrong.
    Backslashes separate folders too.
    """
    if _ELSEWHERE.match(cell):
        return None, "is not relative to the folder of the table"
    try:
        real = Path(os.path.realpath(beside / PurePosixPath(cell.replace("\\", "/"))))
        outside, is_file = leads_out(real, raw), real.is_file()
    except (OSError, ValueError) as error:  # longer than a name may be, or not a name in the system's encoding
        return cell, getattr(error, "strerror", None) or "not a file name"
    if outside:
        return None, "leaves the raw folder"
    return real.relative_to(raw).as_posix(), "found" if is_file else "no such file"
