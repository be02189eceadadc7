"""The gradient of a loss over a whole batch, from a batch that is computed in parts.

The contrastive loss compares every utterance of a batch with every other one, so it cannot be summed over parts. It needs of
them only what the model says, which is small: logits and features. They are computed first, for all parts and on all
processes; every process then has the loss of the whole batch and its gradient by logits and features; and each part is
computed again to carry its rows of that gradient into the parameters (Gao et al. 2021, "Scaling deep contrastive learning
batch size under memory limited setup"). The result is that of one piece, whatever the number of parts and processes.

B utterances of the batch, X columns: logits and features, joined.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from erc_core.training.losses import Losses
from erc_core.training.processes import Processes

Part = TypeVar("Part")


def backward_in_parts(
    run: Callable[[Part], Tensor],
    loss: Callable[[Tensor], Losses],
    parts: Sequence[Part],
    *,
    total: int,
    processes: Processes,
    device: torch.device,
) -> Losses:
    """Add the gradient of the batch's loss to the parameters, and return that loss.

    Only one part's graph exists at a time. The last part keeps its graph from the first pass, so a single part is computed
    once; the others are computed twice, the second time with the same random numbers, so that dropout drops the same.

    Args:
        run: The model: from a part to (rows, X) float32.
        loss: The loss of the whole batch, from (B, X).
        parts: This process's share of the batch, in order.
        total: B.
        processes: Who has the other shares. What is added is this process's part of the gradient: sum them afterwards.
        device: Where the model computes.
    """
    random_states, outputs = [], []
    with torch.no_grad():
        for part in parts[:-1]:
            random_states.append(_random_state(device))
            outputs.append(run(part))
    last = run(parts[-1])
    outputs.append(last.detach())
    whole_BX = processes.gather(torch.cat(outputs), total).requires_grad_()
    losses = loss(whole_BX)
    (gradient_BX,) = torch.autograd.grad(losses.total, whole_BX)
    gradients = torch.split(processes.own_rows(gradient_BX), [len(output) for output in outputs])
    last.backward(gradients[-1])  # type: ignore[no-untyped-call]
    for part, random_state, gradient in zip(parts[:-1], random_states, gradients[:-1], strict=True):
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            _set_random_state(random_state, device)
            run(part).backward(gradient)  # type: ignore[no-untyped-call]
    return losses


def _random_state(device: torch.device) -> list[Tensor]:
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return states


def _set_random_state(states: list[Tensor], device: torch.device) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
