"""SpecAugment against torchaudio's masking of clips of one length, and clips of their own lengths."""

import pytest
import torch
from torchaudio.functional import mask_along_axis_iid

from erc_core.models.augment import SpecAugment

FRAMES, BINS = 50, 40


def ones(batch: int) -> torch.Tensor:
    return torch.ones(batch, FRAMES, BINS)


def lengths(*frames: int) -> torch.Tensor:
    return torch.tensor(frames)


@pytest.mark.parametrize(
    ("augment", "axis", "widest"), [(SpecAugment(0.25, 0.0, 1), 2, 10), (SpecAugment(0.0, 0.5, 1), 1, 25)]
)
def test_one_band_is_the_band_that_torchaudio_draws(augment: SpecAugment, axis: int, widest: int):
    mel = torch.randn(64, FRAMES, BINS)
    torch.manual_seed(0)
    ours = augment(mel, torch.full((64,), FRAMES))
    torch.manual_seed(0)
    assert torch.equal(ours, mask_along_axis_iid(mel, widest, 0.0, axis))
    assert (ours == 0).any()


def test_bands_of_clips_of_their_own_lengths_are_those_of_a_loop():
    own, count, share = [50, 1, 0, 33, 12], 3, 0.4
    torch.manual_seed(0)
    hidden_BF = (SpecAugment(0.0, share, count)(ones(5), lengths(*own)) == 0).all(dim=2)
    torch.manual_seed(0)
    width_draws, start_draws = torch.rand(5, count).tolist(), torch.rand(5, count).tolist()
    expected = torch.zeros(5, FRAMES, dtype=torch.bool)
    for clip, frames in enumerate(own):
        for width_draw, start_draw in zip(width_draws[clip], start_draws[clip], strict=True):
            width = width_draw * share * frames
            first = int(start_draw * (frames - width))
            expected[clip, first : first + int(width)] = True
    assert torch.equal(hidden_BF, expected)


def test_each_clip_hides_whole_rows_and_columns_of_its_own():
    torch.manual_seed(0)
    hidden = SpecAugment(0.3, 0.3, 2)(ones(20), torch.full((20,), FRAMES)) == 0
    rows, columns = hidden.all(dim=1), hidden.all(dim=2)
    assert torch.equal(hidden, rows[:, None, :] | columns[:, :, None])
    assert len({tuple(row) for row in rows.tolist()}) > 15
    assert len({tuple(column) for column in columns.tolist()}) > 15


def test_what_is_hidden_of_a_clip_lies_within_it_and_within_the_share():
    torch.manual_seed(0)
    own = torch.arange(FRAMES + 1)
    most = torch.zeros(FRAMES + 1)
    for _ in range(200):
        hidden_BF = (SpecAugment(0.0, 0.4, 2)(ones(len(own)), own) == 0).all(dim=2)
        assert not (hidden_BF & (torch.arange(FRAMES) >= own[:, None])).any()
        most = torch.maximum(most, hidden_BF.sum(dim=1))
    assert (most <= 2 * 0.4 * own).all()
    assert most[FRAMES] > 0.6 * FRAMES  # two bands, and not one, and wide ones too
    assert (most[10:] > 0.4 * own[10:]).all()


def test_padding_changes_nothing_that_is_hidden():
    augment, own = SpecAugment(0.3, 0.3, 2), lengths(5, 20, 30)
    torch.manual_seed(0)
    short = augment(ones(3)[:, :30], own)
    torch.manual_seed(0)
    assert torch.equal(augment(ones(3), own)[:, :30], short)


def test_off_draws_nothing():
    mel, before = torch.randn(4, FRAMES, BINS), torch.random.get_rng_state()
    assert SpecAugment(0.0, 0.0, 2)(mel, lengths(50, 3, 0, 7)) is mel
    assert torch.equal(torch.random.get_rng_state(), before)
