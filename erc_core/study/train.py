"""Train one point of a variant for one seed, and score it on the test split."""

import resource
import sys
import time
from dataclasses import dataclass

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from erc_core.evaluation.scores import score
from erc_core.inference.dialogues import DialogueFeatures
from erc_core.inference.feature_set import FeatureSet
from erc_core.inference.predict import Predictions, predict
from erc_core.params.backbones import Optimisation
from erc_core.params.peers import PeerParams
from erc_core.params.schema import Params
from erc_core.peers.registry import make_peer
from erc_core.peers.task import DialogueTask
from erc_core.study.points import Point
from erc_core.study.results import Run
from erc_core.training.build import make_task, seed_everything
from erc_core.training.checkpoint import Checkpoint
from erc_core.training.loop import Trained, count_parameters, train_model
from erc_core.training.settings import training_settings
from erc_core.training.task import Task, UtteranceTask

TIMED_UTTERANCES = 30
MIB = 2**20


@dataclass(frozen=True)
class Corpus:
    """A corpus as the systems read it."""

    dataset: str
    features: FeatureSet  # for systems that read utterances
    dialogues: DialogueFeatures | None  # for systems that read dialogues; None where the variant at hand does not
    labels: list[str]  # emotion names in the order of the logits


@dataclass(frozen=True)
class Outcome:
    """A training's scores, its predictions of the test split, and the size and speed of its model."""

    run: Run
    predictions: Predictions
    parameters: int
    trained_parameters: int
    latency_ms: float


def train_point(
    params: Params,
    corpus: Corpus,
    point: Point,
    settings: PeerParams | None,
    seed: int,
    device: torch.device,
    checkpoint: Checkpoint,
) -> Outcome:
    """Train a point for one seed; the epoch is chosen on the validation split, and the test split is read once.

    The point's sections replace those of params. A peer system has `settings` of its own, the model of this project None.
    The checkpoint keeps an interrupted training; the caller removes it when the result is safe.

    Raises:
        ErcError: The loss is not finite, or pretrained weights cannot be found.
    """
    held = _memory_mb(device, start=True)
    task, trained = fit_point(params, corpus, point, settings, seed, device, checkpoint)
    peak = _memory_mb(device, start=False) - held
    predictions = task.predict("test")
    labels = corpus.labels
    scores = score([labels[i] for i in predictions.gold], [labels[i] for i in predictions.predicted], labels)
    run = Run(
        seed=seed,
        acc=scores.acc,
        wf1=scores.wf1,
        macro_f1=scores.macro_f1,
        val_wf1=trained.best.val_wf1,
        best_epoch=trained.best.epoch,
        epochs=len(trained.history),
        stopped_by=trained.stopped_by,
        val_curve=[round(row.val_wf1, 4) for row in trained.history],
        loss_curve=[round(row.train_loss, 4) for row in trained.history],
        seconds=round(trained.seconds, 2),
        seconds_per_epoch=round(trained.seconds_per_epoch, 4),
        peak_memory_mb=round(max(0.0, peak), 1),
        memory="gpu" if device.type == "cuda" else "resident",
    )
    return Outcome(run, predictions, *count_parameters(task.model), round(_latency_ms(task, device), 3))


def fit_point(
    params: Params,
    corpus: Corpus,
    point: Point,
    settings: PeerParams | None,
    seed: int,
    device: torch.device,
    checkpoint: Checkpoint,
) -> tuple[Task, Trained]:
    """Train a point for one seed, without a look at the test split; see train_point."""
    own = params.model_copy(
        update={"train": params.train.model_copy(update={"seed": seed}), **dict(point.configuration)}
    )
    training = training_settings(own, corpus.dataset, device)
    task: Task
    if settings is None:
        task = make_task(own, corpus.labels, corpus.features, training, device)
    else:
        training = training.model_copy(
            update={name: getattr(settings, name) for name in ("weight_decay", *Optimisation.model_fields)}
        )
        assert corpus.dialogues is not None
        seed_everything(seed)
        model = make_peer(settings, corpus.dialogues.shapes(own.model.modality, len(corpus.labels)))
        task = DialogueTask(model, corpus.labels, corpus.dialogues, settings.batch_dialogues, device)
    return task, train_model(task, training, checkpoint, quiet=True)


def _memory_mb(device: torch.device, *, start: bool) -> float:
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


@torch.inference_mode()
def _latency_ms(task: Task, device: torch.device) -> float:
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
