"""A made-up IEMOCAP release: its folders and files, with a few short dialogues in each session."""

from collections.abc import Iterable
from pathlib import Path

HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
LABELS = ("neu", "ang", "sad", "hap", "exc", "fru", "xxx", "oth", "sur", "fea", "dis")
DIALOGUES = ("F_impro01", "F_script01_1", "M_impro02")


def block(utterance: str, start: float, label: str) -> str:
    return (
        f"[{start:.4f} - {start + 2:.4f}]\t{utterance}\t{label}\t[2.5000, 2.5000, 2.5000]\n"
        "C-E2:\tNeutral;\t()\nC-E3:\tNeutral; Sadness;\t(not sure)\nC-F1:\tOther;\t(x)\n"
        "A-E3:\tval 3; act 2; dom  2;\t()\nA-M1:\tval 2; act 2; dom  ;\t()\n\n"
    )


def utterance_ids(dialogue: str) -> list[str]:
    """Two speakers in turn, one utterance for each label."""
    return [f"{dialogue}_{'FM'[turn % 2]}{turn // 2:03}" for turn in range(len(LABELS))]


def make_dialogue(release: Path, dialogue: str, *, clips_of: bytes = b"") -> None:
    session = release / f"Session{dialogue[4]}"
    evaluations, clips = session / "dialog/EmoEvaluation", session / "sentences/wav" / dialogue
    transcripts = session / "dialog/transcriptions"
    for folder in (evaluations, transcripts, clips, session / "dialog/wav"):
        folder.mkdir(parents=True, exist_ok=True)
    ids = utterance_ids(dialogue)
    blocks = [block(name, 3.0 * turn, LABELS[turn]) for turn, name in enumerate(ids)]
    # as in the release, an evaluation file lists one speaker, then the other: its order is not that of the dialogue
    (evaluations / f"{dialogue}.txt").write_text(HEADER + "".join(blocks[::2] + blocks[1::2]), encoding="latin-1")
    (evaluations / f"._{dialogue}.txt").write_bytes(b"\x00\x05\x16\x07Mac OS X")
    for kind in ("Attribute", "Categorical", "Self-evaluation"):
        (evaluations / kind).mkdir(exist_ok=True)
        for name in (f"{dialogue}.txt", f"{dialogue}_e2_cat.txt"):
            (evaluations / kind / name).write_text(HEADER + block(ids[0], 0.0, "ang"), encoding="latin-1")
    lines = [f"{name} [{3 * turn:08.4f}-{3 * turn + 2:08.4f}]: Turn {turn}." for turn, name in enumerate(ids)]
    lines[1:1] = ["M: [LAUGHTER]", f"{dialogue}_MXX0 [000.1000-000.2000]: Only heard."]
    (transcripts / f"{dialogue}.txt").write_text("\n".join(lines) + "\n", encoding="latin-1")
    (transcripts / f"._{dialogue}.txt").write_bytes(b"\x00")
    (clips / f"._{ids[0]}.wav").touch()
    for name in ids:
        (clips / f"{name}.wav").write_bytes(clips_of)


def make_release(folder: Path, dialogues: Iterable[str] = (), *, clips_of: bytes = b"") -> Path:
    """Write a release of five sessions, with further dialogues if wanted; clips_of is what each clip holds."""
    release = folder / "IEMOCAP_full_release"
    for dialogue in sorted({f"Ses0{session}{name}" for session in range(1, 6) for name in DIALOGUES} | set(dialogues)):
        make_dialogue(release, dialogue, clips_of=clips_of)
    (release / "README.txt").write_text("IEMOCAP", encoding="utf-8")
    return release
