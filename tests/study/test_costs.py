import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from erc_core.study.costs import MIB, SavedTensors


def count(model, work):
    saved = SavedTensors(model)
    with saved_tensors_hooks(saved.pack, lambda kept: kept.tensor):
        work()
    return saved


def test_what_autograd_keeps_is_counted_once_and_without_weights():
    model = nn.Linear(8, 4)
    x = torch.randn(16, 8, requires_grad=True)

    def work():
        y = model(x)  # keeps x and the weight
        (y * y).sum().backward()  # keeps y, twice

    saved = count(model, work)
    assert saved.most == 4 * (16 * 8 + 16 * 4)
    assert saved.now == 0


def test_graphs_one_after_another_count_as_the_largest():
    model = nn.Linear(8, 1)

    def work():
        for rows in (32, 128, 64):
            model(torch.randn(rows, 8)).sum().backward()

    assert count(model, work).most == 4 * 128 * 8 < MIB
