"""What a system costs: memory of its training, activations of a step, time of an utterance."""

import resource
import sys
import time
from collections import Counter

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from erc_core.inference.predict import predict
from erc_core.peers.task import DialogueTask
from erc_core.training.task import Task, UtteranceTask

TIMED_UTTERANCES = 30
COUNTED_STEPS = 4
MIB = 2**20


def memory_mb(device: torch.device, *, start: bool) -> float:
    """Return the memory held now, where a training starts, or the most that was held since; MiB."""
    if device.type == "cuda":
        if start:
            torch.cuda.reset_peak_memory_stats(device)
            return 0.0
        return torch.cuda.max_memory_allocated(device) / MIB
    if start:
        return float(psutil.Process().memory_info().rss) / MIB
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB


def activations_mb(task: Task) -> float:
    """Return the most that autograd keeps for the backward pass at once, in the first steps of an epoch, MiB.

    It is counted, not measured: the same on every machine, and free of what else a process holds. Weights are left out.
    """
    saved = SavedTensors(task.model)
    task.model.train()
    torch.manual_seed(0)
    for batch in task.batches(0, epoch=1)[:COUNTED_STEPS]:
        with saved_tensors_hooks(saved.pack, lambda kept: kept.tensor):
            task.learn(batch)
        task.model.zero_grad(set_to_none=True)
    return saved.most / MIB


class SavedTensors:
    """Counts the bytes that autograd keeps: each storage once, however many views of it are kept."""

    def __init__(self, model: nn.Module) -> None:
        self.weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
        self.held: Counter[int] = Counter()  # how often each storage is kept, by its address
        self.now = self.most = 0

    def pack(self, tensor: Tensor) -> "Kept":
        """Take note of a tensor, until what is returned is dropped."""
        return Kept(tensor, self)

    def add(self, storage: torch.UntypedStorage, times: int) -> None:
        """Count a storage as kept once more, or once less."""
        place = storage.data_ptr()
        if place in self.weights:
            return
        self.now -= storage.nbytes() * (self.held[place] > 0)
        self.held[place] += times
        self.now += storage.nbytes() * (self.held[place] > 0)
        self.most = max(self.most, self.now)


class Kept:
    """A tensor that autograd keeps."""

    def __init__(self, tensor: Tensor, saved: SavedTensors) -> None:
        self.tensor, self.saved = tensor, saved
        saved.add(tensor.untyped_storage(), 1)

    def __del__(self) -> None:
        self.saved.add(self.tensor.untyped_storage(), -1)


@torch.inference_mode()
def latency_ms(task: Task, device: torch.device) -> float:
    """Return the median time of one utterance of the test split, features in memory, one at a time."""
    seconds = []
    if isinstance(task, UtteranceTask):
        places = task.features.split("test")
        chosen: list[NDArray[np.int64]] = [
            places[[row]] for row in np.linspace(0, len(places) - 1, TIMED_UTTERANCES).astype(int)
        ]
        for place in chosen:
            start = time.perf_counter()
            predict(task.model, task.features, place, batch_size=1, device=device, precision=task.settings.precision)
            seconds.append(time.perf_counter() - start)
    elif isinstance(task, DialogueTask):
        task.model.eval()
        for places in task.features.dialogues["test"][:TIMED_UTTERANCES]:
            start = time.perf_counter()
            task.model(task.features.batch([places]).to(device)).logits_BUC.cpu()
            seconds.append((time.perf_counter() - start) / len(places))
    return 1000 * float(np.median(seconds))
