import itertools

from made_up_answers import LABELS, answered, unanswered
from praatio import textgrid

from erc_core.answers.textgrid import write_textgrid


def tiers(given, folder):
    """As praatio reads them, which refuses intervals that overlap: name -> [(start, end, text)]."""
    write_textgrid(given, folder / "a.TextGrid")
    grid = textgrid.openTextgrid(str(folder / "a.TextGrid"), includeEmptyIntervals=True, reportingMode="error")
    return {name: [tuple(interval) for interval in grid.getTier(name).entries] for name in grid.tierNames}


def said(intervals):
    return [interval for interval in intervals if interval[2]]


def test_each_speaker_has_a_tier_of_texts_and_one_of_emotions(tmp_path):
    given = answered(20)
    found = tiers(given, tmp_path)
    assert sorted(found) == ["Anna", "Anna emotion", "Bruno", "Bruno emotion"]
    for name in ("Anna", "Bruno"):
        rows = given.table.filter(speaker=name)
        expected = [(round(s, 3), round(e, 3), text) for s, e, text in rows.select("start", "end", "text").rows()]
        assert said(found[name]) == expected
        emotions = [text.split()[0] for _, _, text in said(found[f"{name} emotion"])]
        assert emotions == rows["emotion"].to_list()


def test_every_tier_is_filled_from_zero_to_the_same_end(tmp_path):
    given = answered(30, seed=2)
    last = round(given.table["end"].max(), 3)
    for intervals in tiers(given, tmp_path).values():
        assert intervals[0][0] == 0
        assert intervals[-1][1] == last
        assert all(one[1] == following[0] for one, following in itertools.pairwise(intervals))


def test_a_speaker_who_overlaps_himself_is_cut(tmp_path):
    given = answered(
        4, speakers=["Anna"], texts=["a", "b", "c", "d"], start=[0.0, 2.0, 2.0, 9.0], end=[5.0, 3.0, 4.0, 9.0001]
    )
    found = tiers(given, tmp_path)
    assert said(found["Anna"]) == [(0, 2, "a"), (2, 4, "b / c"), (9, 9.001, "d")]
    assert [interval[:2] for interval in said(found["Anna emotion"])] == [(0, 2), (2, 4), (9, 9.001)]


def test_a_short_one_that_ends_the_tier_lies_in_it(tmp_path):
    given = answered(2, speakers=["Anna"], texts=["a", "b"], start=[0.0, 0.9999], end=[1.0, 1.00001])
    assert said(tiers(given, tmp_path)["Anna"]) == [(0, 1, "a"), (1, 1.001, "b")]


def test_quotes_unknown_speakers_and_missing_answers(tmp_path):
    given = answered(2, speakers=None, texts=['He said "no".\n"text = "x"'], **unanswered(LABELS, 1))
    found = tiers(given, tmp_path)
    assert said(found["speaker unknown"])[0][2] == 'He said "no". "text = "x"'
    assert said(found["speaker unknown emotion"])[1][2] == "no answer"


def test_names_of_tiers_differ(tmp_path):
    given = answered(6, speaker=["A", "A emotion", "A", "A emotion", "A", "A emotion"])
    assert sorted(tiers(given, tmp_path)) == ["A", "A emotion", "A emotion 2", "A emotion emotion"]
