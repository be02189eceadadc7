"""The training loop: one model, one seed, the epoch chosen on the validation split."""

import copy
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from transformers import get_scheduler

from erc_core.errors import ErcError
from erc_core.evaluation.scores import score
from erc_core.training.checkpoint import Checkpoint
from erc_core.training.losses import Losses
from erc_core.training.processes import ALONE, Processes
from erc_core.training.record import Epoch, StoppedBy
from erc_core.training.settings import TrainingSettings
from erc_core.training.task import Task

# after the warm-up; under plateau the rate falls where the validation score says so
SCHEDULES = {
    "constant": "constant_with_warmup",
    "plateau": "constant_with_warmup",
    "linear": "linear",
    "cosine": "cosine",
}
# on a GPU, looking at a loss waits for the step to end: look rarely; on a CPU it costs nothing
CHECK_EVERY = {"cpu": 1, "cuda": 50}


@dataclass(frozen=True)
class Trained:
    """What a training ends with."""

    weights: dict[str, Tensor]  # the state_dict of the chosen epoch
    history: list[Epoch]  # every epoch that ran
    best: Epoch  # the chosen epoch
    stopped_by: StoppedBy
    seconds: float  # wall time of all epochs, also of those before an interruption

    @property
    def seconds_per_epoch(self) -> float:
        """Mean over the epochs."""
        return self.seconds / len(self.history)


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Return how many numbers a model has, and how many of them are trained."""
    sizes = [(weight.numel(), weight.requires_grad) for weight in model.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained)


def train_model(
    task: Task,
    settings: TrainingSettings,
    checkpoint: Checkpoint,
    *,
    processes: Processes = ALONE,
    quiet: bool = False,
    on_epoch: Callable[[list[Epoch]], None] | None = None,
) -> Trained:
    """Train the model of a task, which afterwards has the weights of the chosen epoch; see Trainer."""
    trained = Trainer(task, settings, checkpoint, processes, quiet, on_epoch).fit()
    task.model.load_state_dict(trained.weights)
    return trained


@dataclass
class Trainer:
    """Trains the model of a task; see fit."""

    task: Task  # A freshly made model, with its batches and its loss
    settings: TrainingSettings  # of the training
    checkpoint: Checkpoint  # where an interrupted run is kept
    # those that train this model together; they end with the same result, and the main one prints and keeps the
    # checkpoint
    processes: Processes = ALONE
    quiet: bool = False  # do not print a line for each epoch
    # called by the main process with every epoch so far, after each, and when an interrupted run continues
    on_epoch: Callable[[list[Epoch]], None] | None = None

    def __post_init__(self) -> None:
        self.model = self.task.model
        self.trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        make = torch.optim.Adam if self.settings.optimizer == "adam" else torch.optim.AdamW
        self.optimizer = make(self.trained, lr=self.settings.lr, weight_decay=self.settings.weight_decay, fused=True)
        steps = len(self.task.batches(self.settings.seed, epoch=1))
        self.warmup = round(self.settings.warmup * steps)
        self.scheduler = get_scheduler(
            SCHEDULES[self.settings.schedule], self.optimizer, self.warmup, steps * self.settings.epochs
        )
        self.plateau = ReduceLROnPlateau(
            self.optimizer,
            mode="max",
            factor=self.settings.plateau_factor,
            patience=self.settings.plateau_patience - 1,  # torch waits for one epoch more
            threshold=0.0,
            threshold_mode="abs",
        )
        self.history: list[Epoch] = []
        self.seconds = 0.0  # of the epochs in history
        self.best_weights: dict[str, Tensor] = {}

    def fit(self) -> Trained:
        """Train until the validation W-F1 has not improved for `patience` epochs, or the epochs are used up.

        Continues from the checkpoint of the same run if there is one, and ends in the same result.

        Raises:
            ErcError: The loss is not finite; every process raises it, at the same step.
        """
        self._continue()
        while not self.stopped_by:
            start, epoch = time.perf_counter(), len(self.history) + 1
            self.history.append(self._run_epoch(epoch))
            if self.settings.schedule == "plateau":
                self.plateau.step(self.history[-1].val_wf1)
            if self.best_epoch == epoch:
                self.best_weights = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
            self.seconds += time.perf_counter() - start
            if self.processes.is_main:
                self._save()
                self._show(self.history[-1])
        best = next(row for row in self.history if row.epoch == self.best_epoch)
        return Trained(self.best_weights, self.history, best, self.stopped_by, self.seconds)

    @property
    def stopped_by(self) -> StoppedBy | None:
        """What ends the training after the epochs so far; None where it goes on."""
        if self.history and len(self.history) - self.best_epoch >= self.settings.patience:
            return "patience"
        return "epochs" if len(self.history) >= self.settings.epochs else None

    @property
    def best_epoch(self) -> int:
        """The first epoch with the highest validation W-F1; 0 before any ran."""
        best = max(self.history, key=lambda row: row.val_wf1, default=None)
        return best.epoch if best else 0

    def _run_epoch(self, epoch: int) -> Epoch:
        # dropout is seeded for each epoch, so that a continued run draws what an unbroken one would; and for each process
        torch.manual_seed(self.settings.seed * 100_003 + epoch + (self.processes.rank << 50))
        self.model.train()
        lr = 0.0
        log = LossLog(CHECK_EVERY[self.task.device.type])
        for step, batch in enumerate(self.task.batches(self.settings.seed, epoch), start=1):
            lr = self.optimizer.param_groups[0]["lr"]
            log.add(self._step(batch), f"epoch {epoch}, step {step}", self.task.places(batch))
        log.check()
        loss, erc, icl = log.means()
        dev = self.task.predict("dev")
        labels = self.task.labels
        scores = score([labels[i] for i in dev.gold], [labels[i] for i in dev.predicted], labels)
        val_loss = F.cross_entropy(torch.from_numpy(dev.logits), torch.from_numpy(dev.gold)).item()
        return Epoch(epoch, lr, loss, erc, icl, val_loss, scores.acc, scores.wf1)

    def _step(self, batch: NDArray[np.int64]) -> Losses:
        self.optimizer.zero_grad(set_to_none=True)
        losses = self.task.learn(batch)
        if self.settings.grad_clip:
            nn.utils.clip_grad_norm_(self.trained, self.settings.grad_clip, foreach=True)
        self.optimizer.step()
        # after its warm-up a plateau's rate is left to the epochs: another step would put the first one back
        if self.settings.schedule != "plateau" or self.scheduler.last_epoch < self.warmup:
            self.scheduler.step()
        return losses

    def _show(self, row: Epoch) -> None:
        if self.on_epoch:
            self.on_epoch(self.history)
        if self.quiet:
            return
        mark = " *" if row.epoch == self.best_epoch else ""
        print(
            f"epoch {row.epoch:3d}/{self.settings.epochs}  loss {row.train_loss:.4f} (erc {row.train_erc:.4f}, "
            f"icl {row.train_icl:.4f})  val loss {row.val_loss:.4f}  acc {row.val_acc:.4f}  wf1 {row.val_wf1:.4f}{mark}",
            flush=True,
        )

    def _save(self) -> None:
        self.checkpoint.save(
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scheduler": self.scheduler.state_dict(),
                "plateau": self.plateau.state_dict(),
                "history": [asdict(row) for row in self.history],
                "seconds": self.seconds,
                "best_weights": self.best_weights,
            }
        )

    def _continue(self) -> None:
        state: dict[str, Any] | None = self.checkpoint.load(self.task.device)
        self.processes.require_same(len(state["history"]) if state else 0, "the epoch to continue after")
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        self.scheduler.load_state_dict(state["scheduler"])
        self.plateau.load_state_dict(state["plateau"])
        self.history = [Epoch(**row) for row in state["history"]]
        self.seconds = state["seconds"]
        self.best_weights = state["best_weights"]
        if self.processes.is_main:
            print(f"continuing an interrupted training after epoch {self.history[-1].epoch}")
            if self.on_epoch:
                self.on_epoch(self.history)


class LossLog:
    """Losses of an epoch, kept on the device and looked at now and then."""

    def __init__(self, check_every: int) -> None:
        self.check_every = check_every
        self.rows: list[Tensor] = []
        self.places: list[tuple[str, NDArray[np.int64]]] = []
        self.checked = 0

    def add(self, losses: Losses, place: str, indices: NDArray[np.int64]) -> None:
        """Keep the losses of a step."""
        self.rows.append(torch.stack([losses.total.detach(), losses.erc, losses.icl]))
        self.places.append((place, indices))
        if len(self.rows) - self.checked >= self.check_every:
            self.check()

    def check(self) -> None:
        """Look at the steps since the last look.

        Raises:
            ErcError: A loss is not finite; names the first such step.
        """
        if self.checked == len(self.rows):
            return
        recent = torch.stack(self.rows[self.checked :])
        broken = torch.nonzero(~torch.isfinite(recent).all(dim=1))
        if len(broken):
            row = int(broken[0])
            place, indices = self.places[self.checked + row]
            total, erc, icl = recent[row].tolist()
            raise ErcError(
                f"the loss is not finite at {place}: total {total}, cross entropy {erc}, contrastive {icl} (utterances at "
                f"rows {sorted(int(index) for index in indices)[:4]}... of utterances.parquet). "
                f"Try a smaller train.lr, a larger icl.temperature, or train.grad_clip above 0"
            )
        self.checked = len(self.rows)

    def means(self) -> tuple[float, float, float]:
        """Return the mean total, cross entropy and contrastive loss."""
        total, erc, icl = torch.stack(self.rows).double().mean(dim=0).tolist()
        return total, erc, icl
