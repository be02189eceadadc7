from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erc_core.corpora.iemocap.files import DIALOGUE, Evaluation, read_evaluations, read_transcript, speaker_of

NAME = "Ses01F_impro01"
HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
BLOCK = (
    "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\n"
    "C-E2:\tNeutral;\t()\nC-F1:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\nA-F1:\tval 3; act 2; dom  1;\t()\n\n"
)


def evaluations(folder: Path, content: str | bytes):
    path = folder / f"{NAME}.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found, issues = read_evaluations(path, path.name)
    return found, [(issue.where, issue.kind) for issue in issues]


def transcript(folder: Path, content: str | bytes):
    path = folder / f"{NAME}.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found, issues = read_transcript(path, path.name)
    return found, [(issue.where, issue.kind) for issue in issues]


def test_a_block_is_one_utterance(tmp_path):
    assert evaluations(tmp_path, HEADER + BLOCK) == ([Evaluation(f"{NAME}_F000", 6.2901, "neu")], [])


@pytest.mark.parametrize(
    "line",
    [
        "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\r",
        "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]  \t ",
        "  [ 6.2901-8.2357 ]  Ses01F_impro01_F000   neu [2.5, 2.5, 2.5]",
        "[6.2901 - 8.2357]\t\tSes01F_impro01_F000\t \tNEU\t\t[]",
        "\ufeff[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[nan, 2.5000, 2.5000]",
    ],
)
def test_odd_blanks_do_no_harm(tmp_path, line):
    assert evaluations(tmp_path, line) == ([Evaluation(f"{NAME}_F000", 6.2901, "neu")], [])


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("[6.2901 - 8.2357]\tSes01F_impro01_F001\tneu\t[2.5000, 2.5", "damaged_evaluation"),
        ("[6.2901 - 8.2357]\tSes01F_impro01_F001\tneu", "damaged_evaluation"),
        ("[6.2901 - 8.2357]\tSes01F_impro01_F001\tne", "damaged_evaluation"),
        ("[6.2901 - ", "damaged_evaluation"),
        ("[6.29x1 - 8.2357]\tSes01F_impro01_F001\tneu\t[2.5000, 2.5000, 2.5000]", "damaged_evaluation"),
        ("[6.2901 - 8.2357]\tneu\t[2.5000, 2.5000, 2.5000]", "damaged_evaluation"),
        ("6.2901 - 8.2357]\tSes01F_impro01_F001\tneu\t[2.5000, 2.5000, 2.5000]", "unknown_evaluation_line"),
        ("\x00\x00\x00", "unknown_evaluation_line"),
        ("[1.0 - 2.0]\tSes01F_impro02_F001\tneu\t[2.5, 2.5, 2.5]", "foreign_evaluation"),
        ("[1.0 - 2.0]\tSes01F_impro01_../../../x_F001\tneu\t[2.5, 2.5, 2.5]", "foreign_evaluation"),
        ("[1.0 - 2.0]\tSes01F_impro01_F00/../1\tneu\t[2.5, 2.5, 2.5]", "foreign_evaluation"),
        ("[1.0 - 2.0]\tSes01F_impro01_X001\tneu\t[2.5, 2.5, 2.5]", "foreign_evaluation"),
        ("[1.0 - 2.0]\tSes01F_impro01_F000\tang\t[2.5, 2.5, 2.5]", "repeated_evaluation"),
    ],
)
def test_a_damaged_line_is_listed_with_its_place(tmp_path, line, kind):
    found, issues = evaluations(tmp_path, HEADER + BLOCK + line + "\n")
    assert found == [Evaluation(f"{NAME}_F000", 6.2901, "neu")]
    assert issues == [(f"{NAME}.txt:9", kind)]


def test_an_issue_is_one_short_printable_line(tmp_path):
    path = tmp_path / f"{NAME}.txt"
    path.write_text("[" + "x\x1b\x07" * 5000, encoding="utf-8")
    issue = read_evaluations(path, path.name)[1][0]
    assert len(issue.detail) <= 100
    assert issue.detail.isprintable()


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00", HEADER.encode(), b"\x00" * 100_000, b"[" * 100_000])
def test_a_file_without_utterances_is_said(tmp_path, content):
    found, issues = evaluations(tmp_path, content)
    assert found == []
    assert issues[-1] == (f"{NAME}.txt", "no_evaluations")


def test_an_unreadable_file_is_an_issue(tmp_path):
    (tmp_path / f"{NAME}.txt").mkdir()
    assert [issue.kind for issue in read_transcript(tmp_path / f"{NAME}.txt", "x")[1]] == ["unreadable_file"]


def test_transcript_lines(tmp_path):
    lines = [
        f"{NAME}_F000 [006.2901-008.2357]: Excuse me.",
        f"{NAME}_M000[007.5712-010.4750]:Do you have your forms? ",
        "F: Yeah.",
        "[LAUGHTER]",
        f"{NAME}_F001 [010.0100-011.3925: no bracket",
        f"{NAME}_FXX0 [010.0100-011.3925]: Overlap [LAUGHTER]: yes",
        f"{NAME}_F000 [010.0100-011.3925]: again",
        "Ses01F_impro02_F003 [010.0100-011.3925]: elsewhere",
        f"{NAME}_F004 [010.0100-011.3925]:   ",
    ]
    found, issues = transcript(tmp_path, "\r\n".join(lines))
    assert found == {
        f"{NAME}_F000": "Excuse me.",
        f"{NAME}_M000": "Do you have your forms?",
        f"{NAME}_FXX0": "Overlap [LAUGHTER]: yes",
        f"{NAME}_F004": "",
    }
    assert [kind for _, kind in issues] == ["unknown_transcript_line"] * 3 + [
        "repeated_transcript",
        "foreign_transcript",
    ]
    assert issues[0] == (f"{NAME}.txt:3", "unknown_transcript_line")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"don\x92t \x85 caf\xe9", "don’t … café"),
        ("don’t … café".encode(), "don’t … café"),
        ("don\x92t \x85 café".encode(), "don’t … café"),
        (b"well\x85", "well…"),
        (b"a\x81b", "a b"),
        (b"one\x00\x07two\x0bthree\tfour\x1cfive", "one two three four five"),
        (b"x" * 10_000, "x" * 10_000),
    ],
)
def test_texts_keep_all_but_controls(tmp_path, raw, text):
    line = f"{NAME}_F000 [006.2901-008.2357]: ".encode() + raw
    assert transcript(tmp_path, line) == ({f"{NAME}_F000": text}, [])


@pytest.mark.parametrize(
    ("utterance", "speaker"),
    [
        ("Ses01F_impro01_M003", "Ses01_M"),
        ("Ses01F_impro01_F003", "Ses01_F"),
        ("Ses05M_script01_1b_F012", "Ses05_F"),
        ("Ses03M_impro08a_MXX1", "Ses03_M"),
    ],
)
def test_the_speaker_is_the_utterances_letter(utterance, speaker):
    assert speaker_of(utterance) == speaker


@pytest.mark.parametrize("name", ["Ses01F_impro01", "Ses01F_script01_1", "Ses03M_impro08a", "Ses05M_script01_1b"])
def test_names_of_dialogues(name):
    assert DIALOGUE.fullmatch(name)


@pytest.mark.parametrize("name", ["Ses06F_impro01", "Ses01F_..", "Ses01F_impro01/x", "Ses01F_", "Ses01X_impro01", "a"])
def test_no_names_of_dialogues(name):
    assert not DIALOGUE.fullmatch(name)


# what a line must not be, to be garbage: one that names an utterance of the dialogue
garbage = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")),
        st.sampled_from([b"[1.0 - ", b"[9.9 - 1.1]\tneu", b"F: yes", b"C-E1:", b"%", b"]: [", NAME.encode(), b"\r"]),
    ).filter(lambda line: f"{NAME}_".encode() not in line),
    max_size=4,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(garbage, min_size=4, max_size=4))
def test_garbage_between_lines_never_loses_one(tmp_path, noise):
    expected = [Evaluation(f"{NAME}_M{turn:03}", float(turn), "sad") for turn in range(3)]
    lines, texts = list(noise[0]), list(noise[0])
    for utterance, between in zip(expected, noise[1:], strict=True):
        lines.append(f"[{utterance.start} - 9.0]\t{utterance.utterance_id}\tsad\t[1.0, 1.0, 1.0]".encode())
        texts.append(f"{utterance.utterance_id} [{utterance.start}-9.0]: turn {utterance.start}".encode())
        lines += between
        texts += between
    assert evaluations(tmp_path, b"\n".join(lines))[0] == expected
    found = transcript(tmp_path, b"\n".join(texts))[0]
    assert found == {utterance.utterance_id: f"turn {utterance.start}" for utterance in expected}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_no_file_ever_crashes(tmp_path, content):
    evaluations(tmp_path, content)
    transcript(tmp_path, content)
