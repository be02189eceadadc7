"""What the bootstrap resamples: dialogues, or speakers where a test split is a sample of speakers."""

from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from erc_core.store.utterances import stand_alone

Unit = Literal["dialogue", "speaker"]
# Of 95% percentile intervals over k units, measured on made-up units of equal spread, the truth lies in 51% (k = 2), 71%
# (3), 80% (4), 84% (5), 90% (10), 93% (20): below this number there is no interval
MIN_UNITS = 5


class Units(NamedTuple):
    """The unit of each utterance, and what a unit is called."""

    names: list[str]
    noun: str  # dialogue, speaker, or speaker group: of those who are linked by dialogues

    @property
    def n(self) -> int:
        """Number of units."""
        return len(set(self.names))


def unit_of(utterances: pl.DataFrame, ingest: dict[str, Any]) -> Unit:
    """Return what is resampled of a corpus.

    Its speakers, if utterances stand alone or the split is by speaker and a speaker of the test split is known; dialogues
    otherwise. `utterances` are all of the corpus, `ingest` its reader's parameters.
    """
    known = utterances.filter(pl.col("split") == "test", pl.col("speaker").fill_null("") != "")
    by_speaker = ingest.get("split_by") == "speaker" or stand_alone(utterances)
    return "speaker" if by_speaker and len(known) else "dialogue"


def units_of(tested: pl.DataFrame, unit: Unit) -> Units:
    """Return the unit of each utterance of a test split: columns dialogue_id and, empty where unknown, speaker.

    Speakers who share a dialogue are one unit, and so are those whom such a chain links. All unknown speakers count as
    one: nothing says that they are several.
    """
    if unit == "dialogue":
        return Units(tested["dialogue_id"].to_list(), "dialogue")
    ids, speaker = (tested[name].fill_null("").to_numpy() for name in ("dialogue_id", "speaker"))
    dialogues, dialogue_N = np.unique(ids.astype(object), return_inverse=True)
    speakers, speaker_N = np.unique(speaker.astype(object), return_inverse=True)
    size = len(speakers) + len(dialogues)
    links = coo_array((np.ones(len(tested)), (speaker_N, len(speakers) + dialogue_N)), shape=(size, size))
    n, group = connected_components(links, directed=False)
    first = {g: name for name, g in reversed(list(zip(speakers, group, strict=False)))}
    return Units([first[group[i]] for i in speaker_N], "speaker" if n == len(speakers) else "speaker group")


def too_few(n: int, noun: str) -> str:
    """Say why a test split of `n` units, fewer than MIN_UNITS, has no interval."""
    return (
        f"the test split has {n} {noun}{'' if n == 1 else 's'}, and intervals from resampling fewer than {MIN_UNITS} "
        "hold the truth far less often than they say"
    )
