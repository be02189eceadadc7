"""Who trains, validates and tests in IEMOCAP: leave one session out, and the check that no test speaker was in training.

Fold k tests on session k. Each session is two actors who are in no other, so the test speakers are new to the model.

Validation is whole dialogues of the four training sessions: the list that published work shares where it applies (six
classes, fold 5), a seeded choice otherwise. With two actors a session, who both speak in every dialogue, the dialogues
held back necessarily share their speakers with the dialogues that train. To keep speakers apart in all three splits, a
whole session would have to validate: a quarter of the training data, another protocol than the published results
follow, and scores that cannot be compared with them. So "no speaker is in two splits" means here: no speaker of test is
in train or dev, and no dialogue in two splits (checked at every ingest, an error otherwise); train and dev share
speakers, a number that the data card states (8 in a full release). This makes the validation score kinder than the test
score; it chooses the epoch, and is never reported as a result.
"""

from collections.abc import Iterable
from itertools import combinations
from typing import Literal

import polars as pl

from erc_core.corpora.iemocap.files import DIALOGUE
from erc_core.corpora.splitting import seeded_order
from erc_core.errors import ErcError
from erc_core.params.data import IemocapIngest
from erc_core.store.utterances import SPLITS

COMMON_DEV_DIALOGUES = (
    "Ses01M_impro01", "Ses01M_script03_1", "Ses02F_impro02", "Ses02F_impro07", "Ses02M_script01_2", "Ses03F_impro01",
    "Ses03M_impro02", "Ses03M_impro08a", "Ses03M_script02_2", "Ses03M_script03_2", "Ses04F_impro07", "Ses04F_script02_1",
)  # fmt: skip


class IemocapSettings(IemocapIngest):
    """Section ingest.<dataset> with a value for everything that params.yaml leaves out."""

    classes: Literal[4, 6] = 4
    fold: int = 5
    seed: int = 0
    dev_share: float = 0.1


def session_of(dialogue: str) -> int:
    """Return the session's number, 1 to 5, from the dialogue's name."""
    match = DIALOGUE.fullmatch(dialogue)
    if match is None:
        raise ValueError(f"{dialogue!r} is no name of an IEMOCAP dialogue")
    return int(match["session"])


def has_common_list(settings: IemocapSettings) -> bool:
    """Whether published work shares a list of validation dialogues for these parameters."""
    return settings.classes == 6 and settings.fold == 5


def split_dialogues(dialogues: Iterable[str], settings: IemocapSettings) -> dict[str, str]:
    """Assign every dialogue to a split.

    The seeded choice takes the same share of each training session, at least one dialogue and never all. A dialogue's
    place in it depends on the seed and its own name alone, so not on the fold.
    """
    splits = {name: "test" if session_of(name) == settings.fold else "train" for name in dialogues}
    training = seeded_order([name for name in splits if splits[name] == "train"], settings.seed, separator=" ")
    if has_common_list(settings):
        return splits | dict.fromkeys(set(training) & set(COMMON_DEV_DIALOGUES), "dev")
    for session in set(map(session_of, training)):
        names = [name for name in training if session_of(name) == session]
        count = min(max(1, round(settings.dev_share * len(names))), len(names) - 1)
        splits |= dict.fromkeys(names[:count], "dev")
    return splits


def check_speakers(utterances: pl.DataFrame, source: str) -> int:
    """Check that nobody who is tested is in training or validation, and return how many speakers train and dev share.

    ErcError where a speaker of test is in train or dev, or a dialogue is in two splits.
    """
    shared = 0
    for first, second in combinations(SPLITS, 2):
        for what, column in (("dialogue", "dialogue_id"), ("speaker", "speaker")):
            one, other = (set(utterances.filter(pl.col("split") == split)[column]) for split in (first, second))
            names = sorted(one & other)
            if what == "speaker" and second == "dev":
                shared = len(names)
            elif names:
                raise ErcError(
                    f"{source}: {len(names)} {what}s are in both {first} and {second}, such as {names[0]!r}: "
                    f"scores on this split would not be those of unseen {what}s; nothing was written"
                )
    return shared
