import pytest
from made_up_answers import LABELS, answered, unanswered

from erc_core.answers.page.content import LANES, content_of
from erc_core.answers.page.sound import Sounds


def content(given, folder, *, embed=False):
    return content_of(given, Sounds(given, folder, embed))


def test_the_head_counts_what_there_is(tmp_path):
    given = answered(20, status={3: "missing"}, **unanswered(LABELS, 3))
    page = content(given, tmp_path)
    counts = dict(given.table["emotion"].drop_nulls().value_counts().rows())
    assert {emotion.name: emotion.count for emotion in page.emotions if emotion.count} == counts
    assert [emotion.count for emotion in page.emotions] == sorted((e.count for e in page.emotions), reverse=True)
    assert page.n_unanswered == 1
    assert page.facts == "20 utterances by 2 speakers in 1 min 5 s"


@pytest.mark.parametrize(("least", "means"), [(None, "below 50%, so that"), (0.9, "below 90%, the minimum")])
def test_uncertain_is_below_the_minimum_or_half(least, means, tmp_path):
    page = content(answered(4, min_confidence=least, confidence=[0.49, 0.5, 0.89, 0.9]), tmp_path)
    assert [row.is_unsure for row in page.rows] == (
        [True, False, False, False] if least is None else [True, True, True, False]
    )
    assert means in page.unsure_means
    assert page.n_unsure == sum(row.is_unsure for row in page.rows) == sum("uncertain" in row.tags for row in page.rows)


def test_bars_are_the_three_most_probable_and_the_rest(tmp_path):
    labels = ["a", "b", "c", "d", "e"]
    columns = {
        "a": [0.3, 0.98, 0.1],
        "b": [0.25, 0.019, 0.4],
        "c": [0.2, 0.001, 0.3],
        "d": [0.15, 0, 0.2],
        "e": [0.1, 0, 0],
    }
    given = answered(3, labels=labels, **{f"p_{label}": values for label, values in columns.items()})
    shown = [[(bar.name, bar.percent) for bar in row.bars] for row in content(given, tmp_path).rows]
    assert shown[0] == [("a", "30%"), ("b", "25%"), ("c", "20%"), ("2 others", "25%")]
    assert shown[1] == [("a", "98%"), ("b", "2%")]
    assert shown[2] == [("b", "40%"), ("c", "30%"), ("d", "20%"), ("2 others", "10%")]


def test_the_reason_of_a_status_is_told(tmp_path):
    given = answered(
        3, status={0: "silent", 1: "new_one"}, detail={0: "no sound; answered from the text alone", 2: "from text"}
    )
    notes = [row.note for row in content(given, tmp_path).rows]
    assert notes == ["silent: no sound; answered from the text alone", "new one", "from text"]


def test_many_speakers_share_the_last_lane(tmp_path):
    page = content(answered(60, speakers=[f"speaker {number}" for number in range(12)]), tmp_path)
    assert len(page.timeline.lanes) == LANES
    assert page.timeline.lanes[-1].name == "5 other speakers"
    assert sum(len(lane.marks) for lane in page.timeline.lanes) == 60
    assert len(page.speakers) == 12


def test_what_lies_outside_does_not_stretch_the_time_line(tmp_path):
    given = answered(5, end={4: 90_000.0}, start={4: 80_000.0}, status={4: "outside"})
    page = content(given, tmp_path)
    assert page.timeline.seconds == given.table["end"][3]
    assert sum(len(lane.marks) for lane in page.timeline.lanes) == 4
    assert all(mark.left + mark.width <= 100.01 for lane in page.timeline.lanes for mark in lane.marks)
    assert page.rows[4].clock == "22:13:20"


def test_a_curve_needs_three_answers_and_all_show_the_same_emotions_in_one_order(tmp_path):
    page = content(answered(4, speaker=["Anna", "Bruno", "Anna", "Anna"]), tmp_path)
    assert [bool(lane.areas) for lane in page.timeline.lanes] == [True, False]
    assert page.timeline.smoothing
    orders = [[place for place, _ in lane.areas] for lane in content(answered(40), tmp_path).timeline.lanes]
    assert orders[0] == orders[1]


def test_sound_that_browsers_do_not_play_is_told(tmp_path):
    page = content(answered(3, recording=tmp_path / "rec.wma"), tmp_path)
    assert "files like rec.wma. With --embed-audio" in page.sound_note
    assert page.recording is None
    assert not page.is_playable


def test_a_recording_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "rec.wav").write_bytes(b"no sound")
    page = content(answered(3, recording=tmp_path / "rec.wav"), tmp_path, embed=True)
    assert page.sound_note == "rec.wav could not be read, and cannot be played here."
    assert not page.is_playable
