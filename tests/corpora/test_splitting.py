"""The seeded choices, pinned: the split of a seed is the same for ever."""

import pytest

from erc_core.corpora.iemocap.split import IemocapSettings, split_dialogues
from erc_core.corpora.splitting import SplitError, linked_groups, seeded_order, seeded_split

DIALOGUES = [f"Ses0{s}{letter}_impro0{n}" for s in (1, 2, 3) for letter in "FM" for n in range(1, 6)]
GROUPS = [f"d{k}" for k in range(12) for _ in range(1 + k % 3)]
EMOTIONS = [("joy", "anger")[k % 2] for k in range(len(GROUPS))]


@pytest.mark.parametrize(("separator", "order"), [(":", "aebcdgf"), (" ", "dabgcef")])
def test_the_order_of_a_seed_is_pinned_and_the_separator_is_part_of_it(separator, order):
    for names in ("abcdefg", "gfedcba"):
        assert "".join(seeded_order(names, 3, separator)) == order
    assert [name for name in seeded_order("abcdefg", 3, separator) if name != "b"] == list(order.replace("b", ""))


@pytest.mark.parametrize(("seed", "dev", "test"), [(0, {"d4"}, {"d7", "d11"}), (1, {"d8"}, {"d4", "d11"})])
def test_the_split_of_a_table_is_pinned(seed, dev, test):
    splits = seeded_split(GROUPS, EMOTIONS, 0.1, 0.2, seed)
    assert {group for group, split in zip(GROUPS, splits, strict=True) if split == "dev"} == dev
    assert {group for group, split in zip(GROUPS, splits, strict=True) if split == "test"} == test


@pytest.mark.parametrize(
    ("seed", "dev"),
    [
        (0, ["Ses01M_impro03", "Ses01M_impro05", "Ses02F_impro04", "Ses02F_impro05"]),
        (1, ["Ses01M_impro03", "Ses01M_impro04", "Ses02F_impro05", "Ses02M_impro01"]),
    ],
)
def test_the_validation_dialogues_of_iemocap_are_pinned(seed, dev):
    settings = IemocapSettings(format="iemocap", fold=3, seed=seed, dev_share=0.2)
    splits = split_dialogues(DIALOGUES, settings)
    assert [name for name, split in splits.items() if split == "dev"] == dev


def test_two_groups_that_only_together_hold_an_emotion_never_both_leave_train():
    """Large groups: none is near the shares, so one goes to each of dev and test."""
    groups = ["a"] * 10 + ["b"] * 10 + ["c"] * 10 + ["d"] * 10
    emotions = (["joy"] * 9 + ["awe"]) * 2 + ["joy"] * 20
    for seed in range(10):
        splits = dict(zip(groups, seeded_split(groups, emotions, 0.1, 0.1, seed), strict=True))
        assert set(splits.values()) == {"train", "dev", "test"}
        assert "train" in (splits["a"], splits["b"])
    with pytest.raises(SplitError, match="cannot be filled without taking an emotion from train; only one of them has"):
        seeded_split(["a", "b", "c"], ["joy", "awe", "joy"], 0.1, 0.1, 0)


def test_speakers_are_linked_over_any_number_of_dialogues():
    speakers = ["c", "b", "b", "a", "z", "y"]
    dialogues = ["1", "1", "2", "2", "3", "4"]
    assert linked_groups(speakers, dialogues) == ["a", "a", "a", "a", "z", "y"]
