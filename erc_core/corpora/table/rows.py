"""The rows of a user's table as utterances: every cell judged, problems and issues recorded with their place."""

import difflib
from collections import Counter
from dataclasses import dataclass

from erc_core.corpora.table.cells import SPLIT_OF, ClipFolder, clean, parse_turn
from erc_core.corpora.table.file import Row
from erc_core.corpora.table.issues import HEADER_ROW, Findings, quoted
from erc_core.corpora.text_repair import long_text


@dataclass
class Utterance:
    """One row of the table.

    Attributes:
        row: As a spreadsheet numbers it.
        cells: Our column -> cleaned text, for the columns that the table has; empty where it has no value.
        utterance_id: The table's, or made.
        dialogue_id: The table's, or the utterance's own id.
        split: train, dev or test; empty while it is unknown.
        turn: The table's, or counted in the order of the file.
        audio_path: Relative to the raw folder; None where there is no such file.
    """

    row: int
    cells: dict[str, str]
    utterance_id: str = ""
    dialogue_id: str = ""
    split: str = ""
    turn: int | None = None
    audio_path: str | None = None


class RowReader:
    """Judges the rows one by one, then what concerns several of them."""

    def __init__(self, columns: dict[str, str], clips: ClipFolder, findings: Findings, split_by: str) -> None:
        """Prepare for one table.

        Args:
            columns: Our column -> theirs.
            clips: Finds the clips.
            findings: Takes problems and issues.
            split_by: "speaker" makes every row need one.
        """
        self.columns = columns
        self.clips = clips
        self.findings = findings
        self.needed: list[str] = [name for name in ("emotion", "utterance_id", "dialogue_id") if name in columns]
        if split_by == "speaker" and "speaker" in columns:
            self.needed.append("speaker")
        if split_by == "speaker" and "speaker" not in columns:
            findings.refuse("no column 'speaker', but split_by: speaker needs it", HEADER_ROW)

    def read(self, rows: list[Row]) -> list[Utterance]:
        """Return an utterance for each row that is not blank; what is wrong goes to the findings."""
        utterances, blank = [], []
        for row in rows:
            cells = {ours: row.cells[theirs] for ours, theirs in self.columns.items()}
            if any(cell.strip() for cell in cells.values()):
                utterances.append(self._utterance(row.number, cells))
            elif cells:
                blank.append(row.number)
        if blank:
            listed = ", ".join(map(str, blank[:10])) + (", ..." if len(blank) > 10 else "")
            self.findings.note(
                self.findings.file_name, "blank_rows", f"{len(blank):,} blank rows: {listed}", "left out"
            )
        self._check_ids(utterances)
        self._check_turns(utterances)
        if not self.findings.problems and not any(one.audio_path or one.cells.get("text") for one in utterances):
            named = next((one.cells["audio"] for one in utterances), None)
            self.findings.refuse(
                "every row is blank" if named is None else f"no text, and no clip is there, such as {quoted(named)}"
            )
        return utterances

    def _utterance(self, row: int, raw: dict[str, str]) -> Utterance:
        cleaned = {ours: clean(cell) for ours, cell in raw.items()}
        one = Utterance(row, {ours: cell for ours, (cell, _) in cleaned.items()})
        for ours in self.needed:
            if not one.cells[ours]:
                self._refuse(row, ours, "empty")
        self._take_ids(one)
        for ours, (_, mended) in cleaned.items():
            for kind, detail, action in mended:
                self._note(one, ours, kind, detail, action)
        self._take_split(one)
        self._take_content(one)
        return one

    def _take_ids(self, one: Utterance) -> None:
        cells = one.cells
        if "turn" in cells:
            one.turn = parse_turn(cells["turn"])
            if one.turn is None:
                self._refuse(
                    one.row, "turn", f"{quoted(cells['turn'])} is not a whole number" if cells["turn"] else "empty"
                )
        if "utterance_id" in cells:
            one.utterance_id = cells["utterance_id"]
        elif "dialogue_id" not in cells or "turn" not in cells:
            one.utterance_id = f"row_{one.row}"
        elif one.turn is not None:
            one.utterance_id = f"{cells['dialogue_id']}_{one.turn}"
        one.dialogue_id = cells.get("dialogue_id", one.utterance_id)

    def _take_split(self, one: Utterance) -> None:
        if "split" not in one.cells:
            return
        word = one.cells["split"]
        one.split = SPLIT_OF.get(word.casefold(), "")
        if not one.split:
            near = difflib.get_close_matches(word.casefold(), SPLIT_OF, n=1)
            hint = f"; the nearest is {near[0]!r}" if near else ""
            told = f"{quoted(word)} is none of train, dev (or validation), test{hint}" if word else "empty"
            self._refuse(one.row, "split", told)

    def _take_content(self, one: Utterance) -> None:
        cells = one.cells
        text, audio = cells.get("text", ""), cells.get("audio", "")
        if not text and not audio:
            both = [ours for ours in ("text", "audio") if ours in cells]
            if both:
                told = (
                    "empty, and so is the audio" if len(both) == 2 else "empty, and there is nothing else to classify"
                )
                self._refuse(one.row, both[0], told)
            return
        for record in long_text(text):
            self._note(one, "text", *record)
        if "text" in cells and not text:
            self._note(one, "text", "empty_text", "empty", "audio only")
        if "audio" in cells and not audio:
            self._note(one, "audio", "empty_audio", "empty", "text only")
        if audio:
            self._find_clip(one, audio)

    def _find_clip(self, one: Utterance, audio: str) -> None:
        path, outcome = self.clips.locate(audio)
        if path is None:
            self._refuse(one.row, "audio", f"{quoted(audio)} {outcome}")
        elif outcome == "found":
            one.audio_path = path
        else:
            action = "text only" if one.cells.get("text") else "kept, with neither speech nor text"
            self._note(one, "audio", "missing_clip", f"{quoted(audio)}: {outcome}", action)

    def _check_ids(self, utterances: list[Utterance]) -> None:
        first: dict[str, int] = {}
        for one in utterances:
            row = first.setdefault(one.utterance_id, one.row)
            if row == one.row or not one.utterance_id:
                continue
            if "utterance_id" in self.columns:
                self._refuse(one.row, "utterance_id", f"{quoted(one.utterance_id)} is also in row {row}")
            else:  # made from both; row numbers do not repeat
                dialogue = quoted(one.cells["dialogue_id"])
                self._refuse(one.row, "turn", f"turn {one.turn} of dialogue {dialogue} is also in row {row}")

    def _check_turns(self, utterances: list[Utterance]) -> None:
        if "turn" not in self.columns:
            following: Counter[str] = Counter()
            for one in utterances:
                one.turn = following[one.dialogue_id]
                following[one.dialogue_id] += 1
        elif "utterance_id" in self.columns:
            first: dict[tuple[str, int | None], int] = {}
            for one in utterances:
                row = first.setdefault((one.dialogue_id, one.turn), one.row)
                if row != one.row:
                    told = f"turn {one.turn} of the same dialogue is also in row {row}"
                    self._note(one, "turn", "repeated_turn", told, "kept, in the order of the file")

    def _refuse(self, row: int, ours: str, what: str) -> None:
        self.findings.refuse(what, row, self.columns[ours])

    def _note(self, one: Utterance, ours: str, kind: str, detail: str, action: str) -> None:
        place = f"row {one.row}, column {self.columns[ours]}"
        self.findings.note(one.utterance_id, kind, f"{place}: {detail}", action)
