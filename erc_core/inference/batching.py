"""Batches of utterances of similar length, so that little of a batch is padding."""

import math

import numpy as np
from numpy.typing import NDArray

# Batches that are sorted by length together: more pad less, fewer mix better. And how many such pools there are at least: with
# one alone, every epoch would have the same batches, and the contrastive loss the same pairs
POOL, MIN_POOLS = 16, 4


def training_batches(
    indices: NDArray[np.int64], lengths: NDArray[np.int64], batch_size: int, *, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """Return one epoch's batches in random order, each of utterances of similar length.

    Utterances are shuffled, sorted by length within pools of 16 batches (fewer in a small corpus), cut into batches, and the
    batches shuffled. The order depends on the seed and the epoch alone, so an interrupted run continues as if it had not been.

    Args:
        indices: (n,) places of the utterances.
        lengths: (n,) their lengths, in any unit.
        batch_size: Utterances per batch; the last of a pool may have fewer. A batch is never a single utterance unless
            there is only one, as the contrastive loss needs two.
        seed: Of the run.
        epoch: From 1.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(indices))
    batches = []
    pool_size = min(POOL, math.ceil(len(order) / (MIN_POOLS * batch_size))) * batch_size
    for start in range(0, len(order), pool_size):
        pool = order[start : start + pool_size]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[first : first + batch_size] for first in range(0, len(pool), batch_size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [np.concatenate(batches[-2:])]
    return [indices[batches[place]] for place in rng.permutation(len(batches))]


def evaluation_batches(
    indices: NDArray[np.int64], lengths: NDArray[np.int64], batch_size: int
) -> list[NDArray[np.int64]]:
    """Return batches that cover all utterances once, sorted by length."""
    by_length = indices[np.argsort(lengths, kind="stable")]
    return [by_length[start : start + batch_size] for start in range(0, len(by_length), batch_size)]
