import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erc_core.inference.batching import evaluation_batches, training_batches


@given(n=st.integers(1, 700), batch_size=st.integers(2, 40), seed=st.integers(0, 5))
def test_an_epoch_holds_every_utterance_once(n, batch_size, seed):
    indices = np.arange(100, 100 + n)
    lengths = np.random.default_rng(seed).integers(0, 300, n)
    batches = training_batches(indices, lengths, batch_size, seed=seed, epoch=1)
    assert sorted(np.concatenate(batches)) == list(indices)
    assert all(len(batch) <= batch_size + 1 for batch in batches)
    assert n == 1 or all(len(batch) > 1 for batch in batches)


def test_batches_pad_little():
    lengths = np.random.default_rng(0).gamma(2.0, 100.0, 5000).astype(np.int64)
    batches = training_batches(np.arange(5000), lengths, 32, seed=0, epoch=1)
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    shuffled = np.random.default_rng(0).permutation(4992).reshape(-1, 32)
    unsorted = sum(32 * lengths[batch].max() for batch in shuffled)
    assert padded < 1.35 * lengths.sum() < 0.7 * unsorted


def test_epochs_of_a_small_corpus_have_other_batches_each():
    """One sorted pool would be the same batches in every epoch, and the same pairs for the contrastive loss."""
    lengths = np.random.default_rng(0).gamma(2.0, 100.0, 500).astype(np.int64)
    met, padded = np.zeros((500, 500), np.bool_), 0
    for epoch in range(1, 9):
        for batch in training_batches(np.arange(500), lengths, 32, seed=0, epoch=epoch):
            met[np.ix_(batch, batch)] = True
            padded += len(batch) * lengths[batch].max()
    assert met.mean() > 0.24  # 0.08 in one pool, 0.4 without sorting
    assert padded < 2 * 8 * lengths.sum()  # 1.1 and 3


def test_the_order_depends_on_seed_and_epoch_alone():
    indices, lengths = np.arange(100), np.arange(100) % 13

    def order(seed, epoch):
        return [batch.tolist() for batch in training_batches(indices, lengths, 8, seed=seed, epoch=epoch)]

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


@pytest.mark.parametrize("n", [1, 7, 64, 65])
def test_evaluation_covers_everything_in_order_of_length(n):
    indices = np.arange(50, 50 + n)
    lengths = np.random.default_rng(1).integers(0, 100, n)
    batches = evaluation_batches(indices, lengths, 16)
    flat = np.concatenate(batches)
    assert sorted(flat) == list(indices)
    assert (np.diff(lengths[flat - 50]) >= 0).all()
