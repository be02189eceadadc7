"""The annotation CSVs of MELD, as shipped and as damaged on the way."""

import contextlib
import csv
import io
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erc_core.corpora.meld.annotation import COLUMNS, Annotation, read_annotation
from erc_core.errors import ErcError

HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"


def row(text="Hello.", speaker="Ross", emotion="joy", dialogue="0", utterance="0", rest="8,21,0:21:46,305"):
    buffer = io.StringIO()
    csv.writer(buffer).writerow(["1", text, speaker, emotion, "positive", dialogue, utterance])
    return buffer.getvalue().removesuffix("\r\n") + f",{rest.replace(',', ';')}\r\n"


@pytest.fixture
def read(tmp_path):
    def run(*rows, header=HEADER, encoding="utf-8"):
        path = tmp_path / "train_sent_emo.csv"
        path.write_bytes((header + "\r\n" + "".join(rows)).encode(encoding))
        return read_annotation(path, "train")

    return run


def kinds(annotation):
    return Counter(issue.kind for issue in annotation.issues)


def test_rows_as_shipped(read):
    annotation = read(
        '1,"also I was the point person on my company’s transition",Chandler,neutral,neutral,0,0,8,21,"00:16:16,059","00:16:21,731"\r\n',
        '2,You must’ve had your hands full.,The Interviewer,neutral,neutral,0,1,8,21,"0:21:46,305","0:21:46,305"\r\n',
        "3,gap,Chandler, Joy ,positive,0,5,8,21,,\r\n",
    )
    assert [row.number for row in annotation.rows] == [(0, 0), (0, 1), (0, 5)]
    assert annotation.rows[1].text == "You must’ve had your hands full."
    assert annotation.rows[1].speaker == "The Interviewer"
    assert annotation.rows[2].emotion == "joy"
    assert annotation.issues == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_only_the_needed_columns_are_needed_in_any_order(read, encoding):
    annotation = read(
        "3,7,fear,Phoebe,Ünïcode\r\n", header="Utterance_ID,Dialogue_ID,Emotion,Speaker,Utterance", encoding=encoding
    )
    assert annotation.rows[0].number == (7, 3)
    assert annotation.rows[0].text == "Ünïcode"


def test_c1_characters_in_any_text_column_are_mended(read):
    annotation = read(row("I don\x92t \x85", "Richard\x92s Date"), row("fiancée’s", utterance="1"))
    assert annotation.rows[0].text == "I don’t …"
    assert annotation.rows[0].speaker == "Richard’s Date"
    assert annotation.rows[1].text == "fiancée’s"
    assert [(issue.where, issue.kind) for issue in annotation.issues] == [("train_dia0_utt0", "damaged_encoding")]
    assert "3 damaged characters (0x92, 0x85)" in annotation.issues[0].detail


def test_a_c1_character_that_is_none_of_cp1252_is_blanked_and_recorded(read):
    annotation = read(row("a\x81b"))
    assert annotation.rows[0].text == "a b"
    assert kinds(annotation) == {"control_characters": 1}


def test_a_file_of_cp1252_is_read_as_such(read):
    annotation = read(
        row("I don’t – ever"), row("plain", utterance="1"), row("caf\xe9", utterance="2"), encoding="cp1252"
    )
    assert [row.text for row in annotation.rows] == ["I don’t – ever", "plain", "café"]
    assert [issue.where for issue in annotation.issues] == ["train_dia0_utt0", "train_dia0_utt2"]
    assert kinds(annotation) == {"damaged_encoding": 2}


def test_control_characters_and_line_breaks_stay_out(read):
    annotation = read(row("one\r\ntwo\x00\x07three\tfour"), row("next", utterance="1"))
    assert annotation.rows[0].text == "one two three four"
    assert annotation.rows[1].text == "next"
    assert kinds(annotation) == {"control_characters": 1}


def test_a_long_text_is_kept_and_recorded(read):
    annotation = read(row("x" * 10_000))
    assert annotation.rows[0].text == "x" * 10_000
    assert kinds(annotation) == {"long_text": 1}


def test_a_row_without_words_is_kept_and_recorded(read):
    annotation = read(row("  "))
    assert len(annotation.rows) == 1
    assert kinds(annotation) == {"empty_text": 1}


@pytest.mark.parametrize("emotion", ["", "happy", "joy,anger", "joy\nanger", "neutral!", "x" * 5000])
def test_an_unknown_label_is_left_out(read, emotion):
    annotation = read(row(emotion=emotion), row(utterance="1"))
    assert [row.number for row in annotation.rows] == [(0, 1)]
    assert kinds(annotation)["unknown_emotion"] == 1
    assert len(annotation.issues[-1].detail) < 200
    assert (0, 0) in annotation.numbers


@pytest.mark.parametrize("emotion", ["JOY", " joy ", "joy\n", "Joy\x00"])
def test_a_label_is_stripped_and_in_lower_case(read, emotion):
    assert read(row(emotion=emotion)).rows[0].emotion == "joy"


@pytest.mark.parametrize("wrong", ["", "x", "1.0", "-1", "1e3", "٣", "99999999999999999999", "../../x"])
@pytest.mark.parametrize("column", ["dialogue", "utterance"])
def test_an_id_that_is_no_number_is_left_out(read, wrong, column):
    annotation = read(row(**{column: wrong}), row(utterance="1"))
    assert [row.number for row in annotation.rows] == [(0, 1)]
    assert [(issue.where, issue.kind) for issue in annotation.issues] == [("train_sent_emo.csv line 2", "damaged_id")]


def test_of_a_repeated_row_the_first_is_kept(read):
    annotation = read(row("first"), row("second"), row("third", dialogue="00"))
    assert [row.text for row in annotation.rows] == ["first"]
    assert kinds(annotation) == {"repeated_row": 2}
    assert annotation.n_rows == 3


def test_a_row_with_too_many_or_too_few_fields_is_left_out(read):
    annotation = read(
        "1,Well, no,Ross,joy,positive,0,0,8,21,a,b\r\n", "1,Ross,joy\r\n", "\r\n", ",,,\r\n", row().strip() + ",,,,\r\n"
    )
    assert len(annotation.rows) == 1
    assert [issue.where for issue in annotation.issues] == ["train_sent_emo.csv line 2", "train_sent_emo.csv line 3"]
    assert kinds(annotation) == {"damaged_row": 2}


def test_a_file_without_rows_has_no_rows(read):
    assert read().rows == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"train_sent_emo\.csv: is empty"),
        (b"\xef\xbb\xbf\r\n\r\n", r"train_sent_emo\.csv: is empty"),
        (b"a;b\r\n1;2\r\n", r"columns \['Utterance', .*\] are missing; found \['a;b'\]"),
        (HEADER.replace(",Emotion", "").encode(), r"columns \['Emotion'\] are missing"),
        (HEADER.encode("utf-16"), "is UTF-16"),
        (HEADER.encode() + b'\n1,ok,R,joy,p,0,0\n1,"never closed,R,joy,p,0,0\n1,b,R,joy,p,0,1\n', "begins in line 3"),
        (HEADER.encode() + b"\n" + b"x" * 200_000 + b"\n", "begins in line 2"),
        (bytes(1000), "are missing"),
    ],
)
def test_what_is_no_annotation_is_told_in_one_line(tmp_path, content, message):
    path = tmp_path / "train_sent_emo.csv"
    path.write_bytes(content)
    with pytest.raises(ErcError, match=message) as caught:
        read_annotation(path, "train")
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_line_ends_of_any_system_are_read(tmp_path):
    path = tmp_path / "train_sent_emo.csv"
    for end in (b"\n", b"\r\n", b"\r"):
        path.write_bytes(end.join([HEADER.encode(), b"1,don\x92t,R,joy,p,0,0", b"1,b,R,joy,p,0,1", b""]))
        assert [row.text for row in read_annotation(path, "train").rows] == ["don’t", "b"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary() | st.lists(st.lists(st.text(max_size=5), max_size=7)).map(lambda rows: as_csv(rows)))
def test_any_bytes_give_rows_or_one_message(tmp_path, content):
    path = tmp_path / "train_sent_emo.csv"
    path.write_bytes(",".join(COLUMNS).encode() + b"\n" + content)
    annotation = Annotation()
    with contextlib.suppress(ErcError):  # anything else would be a traceback for the user
        annotation = read_annotation(path, "train")
    assert annotation.n_rows >= len(annotation.rows)
    for issue in annotation.issues:
        f"{issue.where}{issue.detail}".encode()
        assert issue.detail.isprintable()


def as_csv(rows):
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode("utf-8", errors="replace")
