"""The two kinds of text file in IEMOCAP, line by line: nothing in them is fatal, every line that is not understood is listed.

An evaluation file, dialog/EmoEvaluation/<dialogue>.txt, holds a block for each utterance, a blank line between blocks:

    % [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

    [6.2901 - 8.2357]<TAB>Ses01F_impro01_F000<TAB>neu<TAB>[2.5000, 2.5000, 2.5000]
    C-E2:<TAB>Neutral;<TAB>()
    A-E3:<TAB>val 3; act 2; dom  2;<TAB>()

A transcript, dialog/transcriptions/<dialogue>.txt, holds a line for each utterance; overlaps and noises add other lines:

    Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from erc_core.corpora.text_repair import UNDECODED, mend
from erc_core.store.ingest import DataIssue

DIALOGUE = re.compile(r"Ses0(?P<session>[1-5])[FM]_[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*")
TURN = re.compile(r"(?P<letter>[FM])[A-Z0-9]*[0-9]")  # the last group of an utterance's id: F000, MXX1

_TIME = r"([0-9]{1,9}(?:\.[0-9]*)?)"
# The line must be whole, up to the closing bracket: of a line that was cut, the label may be cut too
_EVALUATION = re.compile(rf"\[\s*{_TIME}\s*-\s*{_TIME}\s*\]\s*(\S+)\s+([A-Za-z]{{3}})\s*\[[^\[\]]*\]")
_RATING = re.compile(r"[CA]-[A-Za-z0-9]+\s*:")  # what one evaluator (C: categories, A: attributes) said
_TRANSCRIPT = re.compile(rf"(\S+?)\s*\[\s*{_TIME}\s*-\s*{_TIME}\s*\]\s*:(.*)", re.DOTALL)
_FOREIGN = "line left out: no id of this dialogue"
_SHOWN = 100  # characters of a line that an issue quotes


@dataclass(frozen=True)
class Evaluation:
    """One utterance as the evaluators agreed on it."""

    utterance_id: str  # such as Ses01F_impro01_M003
    start: float  # seconds from the start of the dialogue
    label: str  # three lower-case letters, such as neu or xxx


def speaker_of(utterance_id: str) -> str:
    """Return session and letter of who speaks, such as Ses01_M for Ses01F_impro01_M003.

    The F of Ses01F says who wore the motion capture markers in that dialogue; both actors speak in it.
    """
    return f"{utterance_id[:5]}_{utterance_id.rpartition('_')[2][0]}"


def read_evaluations(path: Path, where: str) -> tuple[list[Evaluation], list[DataIssue]]:
    """Return the utterances of an evaluation file (its stem is the dialogue's name, `where` its name in issues), and issues."""
    evaluations: dict[str, Evaluation] = {}
    issues: list[DataIssue] = []
    for place, line in _lines(path, where, issues):
        if line.startswith("%") or _RATING.match(line):
            continue
        match = _EVALUATION.fullmatch(line)
        if match is None:
            kind = "damaged_evaluation" if line.startswith("[") else "unknown_evaluation_line"
            issues.append(DataIssue(place, kind, _quoted(line), "line left out"))
            continue
        start, utterance_id, label = match[1], match[3], match[4].lower()
        if not _belongs(utterance_id, path.stem):
            issues.append(DataIssue(place, "foreign_evaluation", _quoted(line), _FOREIGN))
        elif utterance_id in evaluations:
            detail = f"{utterance_id} is {label}, and was {evaluations[utterance_id].label} before"
            issues.append(DataIssue(place, "repeated_evaluation", detail, "the first is used"))
        else:
            evaluations[utterance_id] = Evaluation(utterance_id, float(start), label)
    if not evaluations:
        issues.append(DataIssue(where, "no_evaluations", "no line of an utterance", "dialogue left out"))
    return list(evaluations.values()), issues


def read_transcript(path: Path, where: str) -> tuple[dict[str, str], list[DataIssue]]:
    """Return the mended text of each utterance of a transcript, and issues; see read_evaluations."""
    texts: dict[str, str] = {}
    issues: list[DataIssue] = []
    for place, line in _lines(path, where, issues):
        match = _TRANSCRIPT.fullmatch(line)
        if match is None:
            issues.append(DataIssue(place, "unknown_transcript_line", _quoted(line), "line left out"))
        elif not _belongs(match[1], path.stem):
            issues.append(DataIssue(place, "foreign_transcript", _quoted(line), _FOREIGN))
        elif match[1] in texts:
            issues.append(DataIssue(place, "repeated_transcript", _quoted(line), "the first is used"))
        else:
            texts[match[1]] = match[4].strip()
    return texts, issues


def _belongs(utterance_id: str, dialogue: str) -> bool:
    """Whether an id is the dialogue's name and a turn; nothing else may become part of a path."""
    name, _, turn = utterance_id.rpartition("_")
    return name == dialogue and TURN.fullmatch(turn) is not None


def _lines(path: Path, where: str, issues: list[DataIssue]) -> Iterator[tuple[str, str]]:
    """Yield file:line and the decoded line of every line that is not blank."""
    try:
        content = path.read_bytes()
    except OSError as error:
        issues.append(DataIssue(where, "unreadable_file", error.strerror or str(error), "file left out"))
        return
    # bytes are split, as text has line ends that are none here: 0x85 is an ellipsis in cp1252, a line end in Latin-1
    for number, line in enumerate(re.split(rb"\r\n|\n|\r", content.removeprefix(codecs.BOM_UTF8)), start=1):
        if line.strip():
            yield f"{where}:{number}", mend(line.decode("utf-8", UNDECODED), strip=True).text


def _quoted(line: str) -> str:
    return (line or "control characters only") if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."
