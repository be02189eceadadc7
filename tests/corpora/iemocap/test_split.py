import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erc_core.corpora.iemocap.split import (
    COMMON_DEV_DIALOGUES,
    IemocapSettings,
    check_speakers,
    session_of,
    split_dialogues,
)
from erc_core.errors import ErcError

DIALOGUES = [f"Ses0{s}{letter}_impro{number:02}" for s in range(1, 6) for letter in "FM" for number in range(1, 16)]
COMMON = sorted({*DIALOGUES, *COMMON_DEV_DIALOGUES})


def settings(**values):
    return IemocapSettings(format="iemocap", **values)


def names(splits, split):
    return {name for name, assigned in splits.items() if assigned == split}


@pytest.mark.parametrize("fold", range(1, 6))
@pytest.mark.parametrize("classes", [4, 6])
def test_the_fold_is_the_test_session(fold, classes):
    splits = split_dialogues(COMMON, settings(fold=fold, classes=classes))
    assert names(splits, "test") == {name for name in COMMON if session_of(name) == fold}
    assert splits.keys() == set(COMMON)
    dev = names(splits, "dev")
    if classes == 6 and fold == 5:
        assert dev == set(COMMON_DEV_DIALOGUES)
    else:
        for session in set(range(1, 6)) - {fold}:
            assert sum(session_of(name) == session for name in dev) == 3


def test_dev_dialogues_do_not_depend_on_fold_or_order_or_other_sessions():
    dev = names(split_dialogues(DIALOGUES, settings(fold=5)), "dev")
    assert names(split_dialogues(DIALOGUES[::-1], settings(fold=5)), "dev") == dev
    other = names(split_dialogues(DIALOGUES, settings(fold=1)), "dev")
    assert {name for name in dev if session_of(name) in (2, 3, 4)} == {
        name for name in other if session_of(name) in (2, 3, 4)
    }
    assert names(split_dialogues(DIALOGUES, settings(fold=5, seed=1)), "dev") != dev


def test_the_choice_is_the_same_for_ever():
    dialogues = [f"Ses0{session}F_impro0{number}" for session in (1, 2) for number in range(1, 5)]
    assert names(split_dialogues(dialogues, settings(fold=2, dev_share=0.25)), "dev") == {"Ses01F_impro02"}


@given(st.lists(st.sampled_from(DIALOGUES), unique=True), st.integers(1, 5), st.integers(0, 99), st.floats(0.01, 0.49))
def test_a_training_session_is_never_used_up(dialogues, fold, seed, share):
    splits = split_dialogues(dialogues, settings(fold=fold, seed=seed, dev_share=share))
    train, dev = names(splits, "train"), names(splits, "dev")
    for session in {session_of(name) for name in dialogues} - {fold}:
        assert any(session_of(name) == session for name in train)
    assert {session_of(name) for name in dev} <= {session_of(name) for name in train}


def table(**changes):
    columns = {
        "split": ["train", "train", "dev", "test"],
        "dialogue_id": ["a", "b", "c", "d"],
        "speaker": ["Ses01_F", "Ses01_M", "Ses01_F", "Ses05_F"],
    }
    return pl.DataFrame(columns | changes)


def test_speakers_shared_by_train_and_dev_are_counted():
    assert check_speakers(table(), "x") == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speaker": ["Ses01_F", "Ses05_F", "Ses01_F", "Ses05_F"]}, "speakers are in both train and test.*'Ses05_F'"),
        ({"speaker": ["Ses01_F", "Ses01_M", "Ses05_F", "Ses05_F"]}, "speakers are in both dev and test"),
        ({"dialogue_id": ["a", "d", "c", "d"]}, "dialogues are in both train and test.*'d'"),
        ({"dialogue_id": ["a", "b", "b", "d"]}, "dialogues are in both train and dev"),
    ],
)
def test_a_tampered_split_fails_loudly(changes, message):
    with pytest.raises(ErcError, match=message):
        check_speakers(table(**changes), "x")


def test_other_names_have_no_session():
    with pytest.raises(ValueError, match="no name"):
        session_of("../Ses01F_impro01")
