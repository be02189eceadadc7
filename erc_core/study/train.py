"""Train one point of a variant for one seed, and score it on the test split."""

import resource
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import nn

from erc_core.evaluation.scores import score
from erc_core.inference.feature_set import FeatureSet
from erc_core.inference.predict import Predictions, predict
from erc_core.params.model import ModelParams
from erc_core.params.peers import MultiEmoParams, PeerParams, ScfaParams
from erc_core.params.schema import Params
from erc_core.params.training import ResolvedTraining, resolve_training
from erc_core.peers.multiemo import MultiEMO
from erc_core.peers.scfa import SCFA
from erc_core.peers.task import DialogueFeatures, DialogueTask
from erc_core.study.points import Point
from erc_core.study.results import Run
from erc_core.training.build import build_model
from erc_core.training.checkpoint import Checkpoint
from erc_core.training.loop import Trainer, seed_everything
from erc_core.training.task import Task, UtteranceTask

TIMED_UTTERANCES = 30
MIB = 2**20


@dataclass(frozen=True)
class Corpus:
    """A corpus as the systems read it.

    Attributes:
        features: For systems that read utterances.
        dialogues: For systems that read dialogues; None where no variant at hand does.
        labels: Emotion names in the order of the logits.
    """

    features: FeatureSet
    dialogues: DialogueFeatures | None
    labels: list[str]


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

    Args:
        params: All parameters; the model's own sections are replaced by those of the point.
        corpus: The features.
        point: The configuration.
        settings: For a peer system, its hyper-parameters.
        seed: Of the training.
        device: Where to train.
        checkpoint: Where an interrupted training is kept; the caller removes it when the result is safe.

    Raises:
        ErcError: The loss is not finite, or pretrained weights cannot be found.
    """
    train = params.train.model_copy(update={"seed": seed})
    held = _memory_mb(device, start=True)
    seed_everything(seed)
    resolved = resolve_training(train, params.selected_backbone.training)
    if settings is None:
        own = params.model_copy(update={"train": train, **dict(point.configuration)})
        model: nn.Module = build_model(own, corpus.labels, corpus.features, seed)
        task: Task = UtteranceTask(
            model,  # type: ignore[arg-type]
            corpus.features,
            train=train,
            resolved=resolved,
            icl=point.configuration.icl,
            device=device,
        )
    else:
        model = _peer(settings, point.configuration.model, corpus, seed)
        train = train.model_copy(update={"weight_decay": settings.weight_decay})
        resolved = ResolvedTraining.model_validate(
            resolved.model_dump() | {"lr": settings.lr, "epochs": settings.epochs}
        )
        assert corpus.dialogues is not None
        task = DialogueTask(
            model, corpus.labels, corpus.dialogues, batch_dialogues=settings.batch_dialogues, device=device
        )
    trained = Trainer(task, train=train, resolved=resolved, device=device, checkpoint=checkpoint, quiet=True).fit()
    peak = _memory_mb(device, start=False) - held
    model.load_state_dict(trained.weights)
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
        seconds=round(trained.seconds, 2),
        seconds_per_epoch=round(trained.seconds / max(1, len(trained.history) - trained.continued_from), 4),
        peak_memory_mb=round(max(0.0, peak), 1),
        memory="gpu" if device.type == "cuda" else "resident",
    )
    return Outcome(
        run=run,
        predictions=predictions,
        parameters=sum(weight.numel() for weight in model.parameters()),
        trained_parameters=sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
        latency_ms=round(_latency_ms(task, device), 3),
    )


def _peer(settings: PeerParams, model: ModelParams, corpus: Corpus, seed: int) -> nn.Module:
    dialogues = corpus.dialogues
    assert dialogues is not None
    torch.manual_seed(seed)
    widths: dict[str, Any] = {
        "modality": model.modality,
        "text_width": dialogues.text_NE.shape[1],
        "speech_width": dialogues.speech_NS.shape[1],
    }
    if isinstance(settings, ScfaParams):
        return SCFA(settings, n_labels=len(corpus.labels), **widths)
    assert isinstance(settings, MultiEmoParams)
    return MultiEMO(settings, class_counts=dialogues.class_counts(len(corpus.labels)), **widths)


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
            predict(task.model, task.features, place, batch_size=1, device=device, dtype=task.dtype)
            seconds.append(time.perf_counter() - start)
    elif isinstance(task, DialogueTask):
        task.model.eval()
        for places in task.features.dialogues["test"][:TIMED_UTTERANCES]:
            start = time.perf_counter()
            task.model(task.features.batch([places]).to(device)).logits_BUC.cpu()
            seconds.append((time.perf_counter() - start) / len(places))
    return 1000 * float(np.median(seconds))
