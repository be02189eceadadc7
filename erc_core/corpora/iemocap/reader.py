"""Reader of IEMOCAP_full_release as it is shipped.

    Session1/ ... Session5/
        dialog/EmoEvaluation/<dialogue>.txt        labels; its subfolders hold single evaluators' files, which are not read
        dialog/transcriptions/<dialogue>.txt       texts
        sentences/wav/<dialogue>/<utterance>.wav   clips

An utterance is what has an evaluation line with a label of the class set. It keeps its audio without a transcript, and its text
without a clip.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from erc_core.corpora.corpus import Corpus, utterance_table
from erc_core.corpora.iemocap.files import DIALOGUE, read_evaluations, read_transcript, speaker_of
from erc_core.corpora.iemocap.split import (
    COMMON_DEV_DIALOGUES,
    IemocapSettings,
    check_speakers,
    has_common_list,
    session_of,
    split_dialogues,
)
from erc_core.corpora.text_repair import long_text
from erc_core.errors import ErcError
from erc_core.store.ingest import DataIssue

RELEASE = "IEMOCAP_full_release"
SESSIONS = (1, 2, 3, 4, 5)
FOUR = {"neu": "neutral", "ang": "anger", "sad": "sadness", "hap": "happiness", "exc": "happiness"}
EMOTIONS = {4: FOUR, 6: FOUR | {"exc": "excitement", "fru": "frustration"}}
EXPECTED = {4: 5531, 6: 7380}
EXPECTED_BY_SESSION = {4: (1085, 1023, 1151, 1031, 1241)}
SOURCE_OF_EXPECTED = {
    4: "the official files, happiness and excitement merged",
    6: "the official files; pickles that many projects pass around hold 7,433, with 53 more of happiness of unknown origin",
}


@dataclass
class _Reading:
    """What is read, and what came of it so far."""

    folder: Path  # the raw folder: audio paths and issues are relative to it
    release: Path  # the folder that holds the sessions
    issues: list[DataIssue] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)  # of all evaluated utterances
    n_unlabelled: int = 0  # transcript lines without an evaluation

    def note(self, where: Path | str, kind: str, detail: str, action: str) -> None:
        if isinstance(where, Path):
            where = where.relative_to(self.folder).as_posix()
        self.issues.append(DataIssue(where, kind, detail, action))


def read_iemocap(folder: Path, settings: IemocapSettings, _unpack_to: Path, section: str) -> Corpus:
    """Read labels and texts, find each utterance's clip, and assign the splits of a fold; see corpora.readers.

    The folder is the release, or the one that holds it. There is a row for each utterance of the class set, by dialogue
    and turn; turns are counted over all evaluated utterances of a dialogue, so they do not depend on the class set.
    ErcError where there is no release, the test session or all training sessions are missing, or a speaker of test is
    in another split.
    """
    release = _find_release(folder, section)
    reading = _Reading(folder, release)
    fold, emotions = settings.fold, EMOTIONS[settings.classes]
    present = [session for session in SESSIONS if _evaluation_files(release, session)]
    for session in sorted(set(SESSIONS) - set(present)):
        detail = f"no evaluations in {_evaluation_folder(release, session).relative_to(folder)}"
        reading.note(f"Session{session}", "missing_session", detail, "left out: fewer utterances than expected")
    if fold not in present:
        raise ErcError(
            f"{_evaluation_folder(release, fold)}: no evaluations there, but {section}.fold = {fold} tests on session "
            f"{fold}; found are the sessions {present}"
        )
    if len(present) == 1:
        raise ErcError(f"{release}: found is session {fold} alone, which is the test split: nothing to train on")
    rows = [row for session in present for row in _read_session(reading, session, emotions)]
    if not rows:
        raise ErcError(f"{release}: no utterance has a label of {sorted(emotions)}")
    splits = split_dialogues(dict.fromkeys(row["dialogue_id"] for row in rows), settings)
    utterances = utterance_table(row | {"split": splits[row["dialogue_id"]]} for row in rows)
    n_shared = check_speakers(utterances, str(release))
    for name in COMMON_DEV_DIALOGUES if has_common_list(settings) else ():
        if name not in splits:
            reading.note(name, "missing_dev_dialogue", "of the common validation list, but not found", "left out")
    if len(present) == len(SESSIONS) and len(rows) != EXPECTED[settings.classes]:
        detail = f"{len(rows):,} utterances found, {EXPECTED[settings.classes]:,} expected"
        reading.note(release.name, "unexpected_count", detail, "used as found")
    return Corpus(utterances, issues=reading.issues, facts=_facts(utterances, settings, reading, n_shared))


def _find_release(folder: Path, section: str) -> Path:
    """Return the folder that holds the sessions."""
    candidates = (folder, folder / RELEASE)
    for release in candidates:
        if any(_evaluation_files(release, session) for session in SESSIONS):
            return release
    packed = sorted(path.name for path in folder.glob("*") if path.name.lower().endswith((".tar.gz", ".tgz", ".zip")))
    hint = f"; found is {packed[0]}, which is read unpacked only" if packed else ""
    raise ErcError(
        f"IEMOCAP was not found: looked in {' and '.join(map(str, candidates))}{hint}. Expected there: Session1 "
        f"to Session5 of {RELEASE} (unpacked), each with dialog/EmoEvaluation/*.txt, dialog/transcriptions/*.txt and "
        "sentences/wav/<dialogue>/<utterance>.wav. The corpus is licensed and never downloaded from here; ask its authors: "
        "IEMOCAP, SAIL lab, University of Southern California, sail.usc.edu/iemocap. If you have it elsewhere, name the "
        f"folder in params.yaml: {section}.raw_dir"
    )


def _evaluation_folder(release: Path, session: int) -> Path:
    return release / f"Session{session}" / "dialog" / "EmoEvaluation"


def _evaluation_files(release: Path, session: int) -> list[Path]:
    """Return the files directly in EmoEvaluation, by name; dot files are leftovers of other systems."""
    files = _evaluation_folder(release, session).glob("*.txt")
    return sorted(path for path in files if not path.name.startswith(".") and path.is_file())


def _read_session(reading: _Reading, session: int, emotions: dict[str, str]) -> list[dict[str, Any]]:
    """Return the rows of a session, without their split."""
    files = _evaluation_files(reading.release, session)
    rows = [row for path in files for row in _read_dialogue(reading, session, path, emotions)]
    missing = [row for row in rows if row["audio_path"] is None]
    if missing and len(missing) == len(rows):
        detail = f"no wav of its {len(rows):,} utterances in sentences/wav"
        reading.note(f"Session{session}", "no_clips", detail, "text only")
        return rows
    for name, dialogue in ((row["utterance_id"], row["dialogue_id"]) for row in missing):
        detail = f"Session{session}/sentences/wav/{dialogue}/{name}.wav not found"
        reading.note(name, "missing_clip", detail, "text only")
    return rows


def _read_dialogue(reading: _Reading, session: int, path: Path, emotions: dict[str, str]) -> Iterable[dict[str, Any]]:
    """Yield the rows of one dialogue, without their split."""
    dialogue, of_session = path.stem, reading.release / f"Session{session}"
    if DIALOGUE.fullmatch(dialogue) is None or session_of(dialogue) != session:
        reading.note(path, "foreign_file", f"not the name of a dialogue of session {session}", "file left out")
        return
    evaluations, issues = read_evaluations(path, path.relative_to(reading.folder).as_posix())
    reading.issues += issues
    reading.labels.update(evaluation.label for evaluation in evaluations)
    transcript = of_session / "dialog" / "transcriptions" / path.name
    texts: dict[str, str] = {}
    if transcript.is_file():
        texts, issues = read_transcript(transcript, transcript.relative_to(reading.folder).as_posix())
        reading.issues += issues
    else:
        reading.note(transcript, "missing_transcript", "file not found", "its dialogue has no text")
    reading.n_unlabelled += len(texts.keys() - {evaluation.utterance_id for evaluation in evaluations})
    files = sorted((of_session / "sentences" / "wav" / dialogue).glob("*"))
    clips = {path.stem: path for path in files if path.suffix.lower() == ".wav" and path.is_file()}
    evaluations.sort(key=lambda evaluation: (evaluation.start, evaluation.utterance_id))
    for turn, evaluation in enumerate(evaluations):
        name, emotion = evaluation.utterance_id, emotions.get(evaluation.label)
        if emotion is None:
            continue
        clip, text = clips.get(name), texts.get(name, "")
        if not text:
            detail = "no words in its transcript line" if name in texts else "no transcript line"
            reading.note(name, "missing_text", detail, "audio only: its text is empty")
        for rule in long_text(text):
            reading.note(name, *rule)
        yield {
            "utterance_id": name,
            "dialogue_id": dialogue,
            "turn": turn,
            "speaker": speaker_of(name),
            "text": text,
            "emotion": emotion,
            "audio_path": clip and clip.relative_to(reading.folder).as_posix(),
        }


def _facts(utterances: pl.DataFrame, settings: IemocapSettings, reading: _Reading, n_shared: int) -> dict[str, Any]:
    sessions = Counter(session_of(name) for name in utterances["dialogue_id"])
    unused = sorted(reading.labels.keys() - EMOTIONS[settings.classes], key=lambda name: (-reading.labels[name], name))
    dev = utterances.filter(pl.col("split") == "dev")["dialogue_id"].unique().sort()
    chosen = "the common list for six classes" if has_common_list(settings) else f"chosen by seed {settings.seed}"
    facts: dict[str, Any] = {
        "classes": settings.classes,
        "utterances found": len(utterances),
        "utterances expected": EXPECTED[settings.classes],
        "source of the expected number": SOURCE_OF_EXPECTED[settings.classes],
        "utterances by session": _by_session(sessions[session] for session in SESSIONS),
    }
    if settings.classes in EXPECTED_BY_SESSION:
        facts["utterances by session, expected"] = _by_session(EXPECTED_BY_SESSION[settings.classes])
    facts |= {
        "utterances evaluated": reading.labels.total(),
        **{f"left out, label {label}": reading.labels[label] for label in unused},
        "transcript lines without an evaluation": reading.n_unlabelled,
        "test split": f"session {settings.fold} (leave one session out)",
        "validation split": f"{len(dev)} whole dialogues of the training sessions, {chosen}: {', '.join(dev)}",
        "speakers": utterances["speaker"].n_unique(),
        "speakers of test in train or dev": 0,  # check_speakers ends the ingest otherwise
        "speakers shared by train and dev": n_shared,
    }
    return facts


def _by_session(counts: Iterable[int]) -> str:
    return " / ".join(f"{count:,}" for count in counts)
