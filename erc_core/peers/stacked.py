"""Layers of R runs side by side: each run has weights of its own, and one operator serves them all.

A recurrence over a short dialogue spends its time on the number of operators, not on their sizes.

R runs, B rows of a batch, I width of the input, O width of the output, W width of a state, G gates (3 W).
"""

import torch
from torch import Tensor, nn


class StackedLinear(nn.Module):
    """R linear layers; run r maps its rows by weight r."""

    def __init__(
        self, runs: int, entering: int, leaving: int, *, bound: float | None = None, bias: bool = True
    ) -> None:
        """Make the layers.

        Args:
            runs: R.
            entering: I.
            leaving: O.
            bound: Weights and biases start uniformly between -bound and bound; None = 1 / sqrt(I), as in nn.Linear.
            bias: Whether a bias is added.
        """
        super().__init__()
        bound = entering**-0.5 if bound is None else bound
        self.weight_RIO = nn.Parameter(torch.empty(runs, entering, leaving).uniform_(-bound, bound))
        self.bias_R1O = nn.Parameter(torch.empty(runs, 1, leaving).uniform_(-bound, bound)) if bias else None

    def forward(self, x_RBI: Tensor) -> Tensor:
        """Map (R, B, I) to (R, B, O)."""
        if self.bias_R1O is None:
            return torch.bmm(x_RBI, self.weight_RIO)
        return torch.baddbmm(self.bias_R1O, x_RBI, self.weight_RIO)


class StackedGRUCell(nn.Module):
    """R GRU cells with the equations, the order of the gates and the starting weights of nn.GRUCell.

    What a cell makes of its input does not depend on its state: `enter` maps the inputs of all steps at once.
    """

    def __init__(self, runs: int, entering: int, width: int) -> None:
        super().__init__()
        self.enter = StackedLinear(runs, entering, 3 * width, bound=width**-0.5)
        self.state = StackedLinear(runs, width, 3 * width, bound=width**-0.5)

    def forward(self, entered_RBG: Tensor, h_RBW: Tensor) -> Tensor:
        """Return the next state (R, B, W) from what `enter` gave (R, B, 3 W) and the state (R, B, W)."""
        width = h_RBW.shape[-1]
        of_state_RBG = self.state(h_RBW)
        gates_RBV = torch.sigmoid(entered_RBG[..., : 2 * width] + of_state_RBG[..., : 2 * width])
        reset_RBW, update_RBW = gates_RBV.chunk(2, dim=-1)
        new_RBW = torch.tanh(torch.addcmul(entered_RBG[..., 2 * width :], reset_RBW, of_state_RBG[..., 2 * width :]))
        return new_RBW + update_RBW * (h_RBW - new_RBW)
