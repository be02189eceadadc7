"""Means over padded sequences."""

import torch

from erc_core.models.fusions.cfa import masked_mean


def test_a_masked_mean_is_the_mean_of_what_is_real():
    sequence_BSD = torch.randn(2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask_BS = torch.tensor([[True, False, True, True, False], [True, False, False, False, False]])
    expected = torch.stack([sequence_BSD[0, [0, 2, 3]].mean(dim=0), sequence_BSD[1, 0]])
    torch.testing.assert_close(masked_mean(sequence_BSD, mask_BS), expected)
    # a mean of many equal numbers is that number, in half precision too
    ones = torch.full((1, 300, 2), 3.0, dtype=torch.bfloat16)
    assert (masked_mean(ones, torch.ones(1, 300, dtype=torch.bool)) == 3.0).all()
