"""Reader of IEMOCAP_full_release as it is shipped.

    Session1/ ... Session5/
        dialog/EmoEvaluation/<dialogue>.txt        labels; its subfolders hold single evaluators' files, which are not read
        dialog/transcriptions/<dialogue>.txt       texts
        sentences/wav/<dialogue>/<utterance>.wav   clips

The rules: erc_core.corpora.iemocap.files for odd lines, erc_core.corpora.iemocap.split for splits and speakers. An utterance
is what has an evaluation line with a label of the class set. It keeps its audio without a transcript, and its text without
a clip.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from erc_core.corpora.corpus import SECTION, Corpus, DataIssue
from erc_core.corpora.iemocap.files import DIALOGUE, Evaluation, read_evaluations, read_transcript, speaker_of
from erc_core.corpora.iemocap.split import (
    COMMON_DEV_DIALOGUES,
    check_speakers,
    has_common_list,
    session_of,
    split_dialogues,
)
from erc_core.corpora.text_repair import long_text
from erc_core.errors import ErcError
from erc_core.params.data import IemocapIngest
from erc_core.store.utterances import SCHEMA

RELEASE = "IEMOCAP_full_release"
SESSIONS = (1, 2, 3, 4, 5)
EMOTIONS = {
    4: {"neu": "neutral", "ang": "anger", "sad": "sadness", "hap": "happiness", "exc": "happiness"},
    6: {
        "hap": "happiness",
        "sad": "sadness",
        "neu": "neutral",
        "ang": "anger",
        "exc": "excitement",
        "fru": "frustration",
    },
}
EXPECTED = {4: 5531, 6: 7380}
EXPECTED_BY_SESSION = {4: (1085, 1023, 1151, 1031, 1241)}
SOURCE_OF_EXPECTED = {
    4: "the official files, happiness and excitement merged",
    6: "the official files; pickles that many projects pass around hold 7,433, with 53 more of happiness of unknown origin",
}


@dataclass
class _Findings:
    """What was found so far, besides the utterances."""

    issues: list[DataIssue] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)  # of all evaluated utterances
    n_unlabelled: int = 0  # transcript lines without an evaluation


def read_iemocap(folder: Path, params: IemocapIngest, section: str = SECTION) -> Corpus:
    """Read labels and texts, find each utterance's clip, and assign the splits of a fold.

    Args:
        folder: The release, or the folder that holds it; never written to.
        params: Section ingest.<dataset>.
        section: The name of that section, for messages.

    Returns:
        One row for each utterance of the class set, by dialogue and turn; see erc_core.store.utterances.SCHEMA. Turns are
        counted over all evaluated utterances of a dialogue, so they do not depend on the class set.

    Raises:
        ErcError: There is no release, the test session or all training sessions are missing, or a speaker of test is in
            another split.
    """
    release = _find_release(folder, section)
    found = _Findings()
    present = [session for session in SESSIONS if _evaluation_files(release, session)]
    for session in sorted(set(SESSIONS) - set(present)):
        found.issues.append(
            DataIssue(
                f"Session{session}",
                "missing_session",
                f"no evaluations in {_evaluation_folder(release, session).relative_to(folder)}",
                "left out: fewer utterances than expected",
            )
        )
    if params.fold not in present:
        raise ErcError(
            f"{_evaluation_folder(release, params.fold)}: no evaluations there, but {section}.fold = {params.fold} "
            f"tests on session {params.fold}; found are the sessions {present}"
        )
    if len(present) == 1:
        raise ErcError(f"{release}: found is session {params.fold} alone, which is the test split: nothing to train on")
    rows: list[dict[str, Any]] = []
    for session in present:
        spoken = [
            row
            for path in _evaluation_files(release, session)
            for row in _read_dialogue(folder, release, session, path, params, found)
        ]
        found.issues += _missing_clips(session, spoken)
        rows += spoken
    if not rows:
        raise ErcError(f"{release}: no utterance has a label of {sorted(EMOTIONS[params.classes])}")
    splits = split_dialogues(dict.fromkeys(row["dialogue_id"] for row in rows), params)
    for row in rows:
        row["split"] = splits[row["dialogue_id"]]
    utterances = pl.DataFrame(rows, schema=SCHEMA)
    n_shared = check_speakers(utterances, str(release))
    if has_common_list(params):
        found.issues += [
            DataIssue(name, "missing_dev_dialogue", "of the common validation list, but not found", "left out")
            for name in COMMON_DEV_DIALOGUES
            if name not in splits
        ]
    if len(present) == len(SESSIONS) and len(rows) != EXPECTED[params.classes]:
        detail = f"{len(rows):,} utterances found, {EXPECTED[params.classes]:,} expected"
        found.issues.append(DataIssue(release.name, "unexpected_count", detail, "used as found"))
    return Corpus(utterances, issues=found.issues, facts=_facts(utterances, params, found, n_shared))


def _find_release(folder: Path, section: str) -> Path:
    """Return the folder that holds the sessions."""
    candidates = (folder, folder / RELEASE)
    for release in candidates:
        if any(_evaluation_files(release, session) for session in SESSIONS):
            return release
    raise ErcError(
        f"IEMOCAP was not found: looked in {' and '.join(map(str, candidates))}{_packed(folder)}. Expected there: Session1 "
        f"to Session5 of {RELEASE} (unpacked), each with dialog/EmoEvaluation/*.txt, dialog/transcriptions/*.txt and "
        "sentences/wav/<dialogue>/<utterance>.wav. The corpus is licensed and never downloaded from here; ask its authors: "
        "IEMOCAP, SAIL lab, University of Southern California, sail.usc.edu/iemocap. If you have it elsewhere, name the "
        f"folder in params.yaml: {section}.raw_dir"
    )


def _packed(folder: Path) -> str:
    """Return words about archives in a folder, if there are any: they have to be unpacked first."""
    archives = sorted(path.name for path in folder.glob("*") if path.name.lower().endswith((".tar.gz", ".tgz", ".zip")))
    return f"; found is {archives[0]}, which is read unpacked only" if archives else ""


def _evaluation_folder(release: Path, session: int) -> Path:
    return release / f"Session{session}" / "dialog" / "EmoEvaluation"


def _evaluation_files(release: Path, session: int) -> list[Path]:
    """Return the files directly in EmoEvaluation, by name; dot files are leftovers of other systems."""
    folder = _evaluation_folder(release, session)
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.glob("*.txt") if not path.name.startswith(".") and path.is_file())


def _read_dialogue(
    folder: Path, release: Path, session: int, path: Path, params: IemocapIngest, found: _Findings
) -> list[dict[str, Any]]:
    """Return the rows of one dialogue, without their split."""
    where = path.relative_to(folder).as_posix()
    if DIALOGUE.fullmatch(path.stem) is None or session_of(path.stem) != session:
        detail = f"not the name of a dialogue of session {session}"
        found.issues.append(DataIssue(where, "foreign_file", detail, "file left out"))
        return []
    evaluations, issues = read_evaluations(path, where)
    found.issues += issues
    found.labels.update(evaluation.label for evaluation in evaluations)
    texts = _texts(folder, release / f"Session{session}" / "dialog" / "transcriptions" / path.name, found)
    found.n_unlabelled += len(texts.keys() - {evaluation.utterance_id for evaluation in evaluations})
    clip_folder = release / f"Session{session}" / "sentences" / "wav" / path.stem
    clips = _clips(clip_folder)
    rows = []
    for turn, evaluation in enumerate(sorted(evaluations, key=_by_time)):
        emotion = EMOTIONS[params.classes].get(evaluation.label)
        if emotion is None:
            continue
        name = evaluation.utterance_id
        clip = clips.get(name)
        if not texts.get(name):
            detail = "no words in its transcript line" if name in texts else "no transcript line"
            found.issues.append(DataIssue(name, "missing_text", detail, "audio only: its text is empty"))
        found.issues += [DataIssue(name, *record) for record in long_text(texts.get(name, ""))]
        rows.append(
            {
                "utterance_id": name,
                "dialogue_id": path.stem,
                "turn": turn,
                "speaker": speaker_of(name),
                "text": texts.get(name, ""),
                "emotion": emotion,
                "audio_path": clip and clip.relative_to(folder).as_posix(),
                "status": "ok" if clip else "missing",
            }
        )
    return rows


def _missing_clips(session: int, rows: Sequence[dict[str, Any]]) -> list[DataIssue]:
    """Return an issue for each utterance without a clip, or a single one for a session that has none at all."""
    missing = [row for row in rows if row["audio_path"] is None]
    if missing and len(missing) == len(rows):
        detail = f"no wav of its {len(rows):,} utterances in sentences/wav"
        return [DataIssue(f"Session{session}", "no_clips", detail, "text only")]
    folder = f"Session{session}/sentences/wav"
    return [
        DataIssue(
            row["utterance_id"],
            "missing_clip",
            f"{folder}/{row['dialogue_id']}/{row['utterance_id']}.wav not found",
            "text only",
        )
        for row in missing
    ]


def _by_time(evaluation: Evaluation) -> tuple[float, str]:
    return evaluation.start, evaluation.utterance_id


def _texts(folder: Path, path: Path, found: _Findings) -> dict[str, str]:
    where = path.relative_to(folder).as_posix()
    if not path.is_file():
        found.issues.append(DataIssue(where, "missing_transcript", "file not found", "its dialogue has no text"))
        return {}
    texts, issues = read_transcript(path, where)
    found.issues += issues
    return texts


def _clips(folder: Path) -> dict[str, Path]:
    """Return utterance -> clip; what is in a clip is judged by the stage resample."""
    if not folder.is_dir():
        return {}
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".wav" and path.is_file()}


def _facts(utterances: pl.DataFrame, params: IemocapIngest, found: _Findings, n_shared: int) -> dict[str, Any]:
    sessions = Counter(session_of(name) for name in utterances["dialogue_id"])
    dev = utterances.filter(pl.col("split") == "dev")["dialogue_id"].unique().sort()
    chosen = "the common list for six classes" if has_common_list(params) else f"chosen by seed {params.seed}"
    facts: dict[str, Any] = {
        "classes": params.classes,
        "utterances found": len(utterances),
        "utterances expected": EXPECTED[params.classes],
        "source of the expected number": SOURCE_OF_EXPECTED[params.classes],
        "utterances by session": _by_session([sessions[session] for session in SESSIONS]),
    }
    if params.classes in EXPECTED_BY_SESSION:
        facts["utterances by session, expected"] = _by_session(EXPECTED_BY_SESSION[params.classes])
    facts |= {
        "utterances evaluated": found.labels.total(),
        **{
            f"left out, label {label}": count
            for label, count in sorted(found.labels.items(), key=lambda pair: (-pair[1], pair[0]))
            if label not in EMOTIONS[params.classes]
        },
        "transcript lines without an evaluation": found.n_unlabelled,
        "test split": f"session {params.fold} (leave one session out)",
        "validation split": f"{len(dev)} whole dialogues of the training sessions, {chosen}: {', '.join(dev)}",
        "speakers": utterances["speaker"].n_unique(),
        "speakers of test in train or dev": 0,  # check_speakers ends the ingest otherwise
        "speakers shared by train and dev": n_shared,
    }
    return facts


def _by_session(counts: Sequence[int]) -> str:
    return " / ".join(f"{count:,}" for count in counts)
