"""The processes that train one model together: who computes which rows of a batch, and how results meet.

K rows of one process, N rows of all of them, D columns.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from erc_core.errors import ErcError
from erc_core.run.stage import launched_processes


@dataclass(frozen=True)
class Processes:
    """This process among those of a training; by default it is alone, and every method costs nothing.

    Row i of a batch belongs to process i mod count. A batch is sorted by length: in this way each process gets short and long
    utterances, and none waits for another. Every method that is not about rows is to be called by all processes.
    """

    rank: int = 0  # which of them this is, from 0
    count: int = 1  # how many there are, on all machines
    local_count: int = 1  # how many there are on this machine

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that prints and writes."""
        return self.rank == 0

    def share(self, rows_N: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return this process's rows; the first row where none is left for it, as every process has to run the model."""
        if self.rank >= len(rows_N):
            return rows_N[:1]
        return rows_N[self.rank :: self.count]

    def gather(self, rows_KD: Tensor, total: int) -> Tensor:
        """Return the rows of all processes, (N, D), N = total, in the order before `share`; no gradient passes back."""
        if self.count == 1:
            return rows_KD
        longest = -(-total // self.count)
        padded_KD = F.pad(rows_KD, (0, 0, 0, longest - len(rows_KD)))
        every = [torch.empty_like(padded_KD) for _ in range(self.count)]
        dist.all_gather(every, padded_KD)
        return torch.stack(every, dim=1).flatten(0, 1)[:total]

    def own_rows(self, rows_ND: Tensor) -> Tensor:
        """Return the rows of this process's share, (K, D), of what `gather` gave; zeros for a row it had to borrow."""
        own_KD = rows_ND[self.rank :: self.count]
        return own_KD if len(own_KD) else torch.zeros_like(rows_ND[:1])

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients of each process by their sum over all processes."""
        if self.count == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        # one message for all of them, summed in the same order at every step: a continued run ends as an unbroken one
        together = parameters_to_vector(gradients)
        dist.all_reduce(together)
        vector_to_parameters(together, gradients)

    def copy_from_main(self, model: nn.Module) -> None:
        """Give every process the weights of the main one."""
        if self.count > 1:
            for tensor in model.state_dict().values():
                dist.broadcast(tensor, src=0)

    def everywhere(self, holds: bool) -> bool:
        """Return whether something holds on every process."""
        return all(self._of_each(holds))

    def require_same(self, value: object, what: str) -> None:
        """Refuse to go on where processes differ in a value, as machines do that see other files; `what` names it.

        Raises:
            ErcError: They do.
        """
        values = self._of_each(value)
        if any(other != values[0] for other in values):
            raise ErcError(
                f"the processes of this training differ in {what}: {values}. All machines need the same code, params.yaml, "
                f"data/ and scratch folder (ERC_SCRATCH): put them on a file system that all of them share"
            )

    def end(self) -> None:
        """Close the connections; a process that is alone has none."""
        if self.count > 1:
            dist.destroy_process_group()

    def _of_each(self, value: Any) -> list[Any]:
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values


ALONE = Processes()


def join_processes(device: torch.device) -> tuple[Processes, torch.device]:
    """Meet the processes that `accelerate launch` or `torchrun` started; without them, be alone on the device given.

    They are connected by NCCL on GPUs and by gloo on CPUs; the second result is this one's device.

    Raises:
        ErcError: There are more processes on this machine than GPUs.
    """
    count = launched_processes()
    if count == 1:
        if {"ACCELERATE_MIXED_PRECISION", "MASTER_ADDR"} <= os.environ.keys():
            print(
                "accelerate launch started one process, as it does with --cpu or without GPUs; for several on CPUs say "
                "`accelerate launch --multi_gpu` (it takes CPUs where there are no GPUs) or `torchrun`"
            )
        return ALONE, device
    local_count = int(os.environ.get("LOCAL_WORLD_SIZE", count))
    on_cpu = device.type == "cpu" or parse_flag_from_env("ACCELERATE_USE_CPU")
    if not on_cpu and local_count > torch.cuda.device_count():
        raise ErcError(
            f"{local_count} processes on this machine, which has {torch.cuda.device_count()} GPUs: launch one for each GPU "
            f"(--num_processes counts those of all machines), or set ACCELERATE_USE_CPU=true"
        )
    state = PartialState(cpu=on_cpu)
    processes = Processes(state.process_index, state.num_processes, local_count)
    return processes, torch.device("cpu") if on_cpu else state.device
