"""Train one point of a variant for one seed, and score it on the test split."""

from dataclasses import dataclass, replace

import torch

from erc_core.evaluation.scores import score
from erc_core.evaluation.temperature import fit_temperature
from erc_core.inference.dialogues import DialogueFeatures
from erc_core.inference.feature_set import FeatureSet
from erc_core.inference.predict import Predictions
from erc_core.params.backbones import Optimisation
from erc_core.params.peers import PeerParams
from erc_core.params.schema import Params
from erc_core.peers.registry import make_peer
from erc_core.peers.task import DialogueTask
from erc_core.study.costs import activations_mb, latency_ms, memory_mb
from erc_core.study.points import Point
from erc_core.study.results import Run
from erc_core.training.build import make_task, seed_everything
from erc_core.training.checkpoint import Checkpoint
from erc_core.training.loop import Trained, count_parameters, train_model
from erc_core.training.settings import training_settings
from erc_core.training.task import Task


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
    activations_mb: float


def train_point(
    params: Params,
    corpus: Corpus,
    point: Point,
    settings: PeerParams | None,
    seed: int,
    device: torch.device,
    checkpoint: Checkpoint,
) -> Outcome:
    """Train a point for one seed; epoch and temperature are chosen on the validation split, and the test split is scored after.

    The point's sections replace those of params. A peer system has `settings` of its own, the model of this project None.
    The checkpoint keeps an interrupted training; the caller removes it when the result is safe.

    Raises:
        ErcError: The loss is not finite, or pretrained weights cannot be found.
    """
    held = memory_mb(device, start=True)
    task, trained = fit_point(params, corpus, point, settings, seed, device, checkpoint)
    peak = memory_mb(device, start=False) - held
    validation = task.predict("dev")
    calibration = fit_temperature(validation.logits, validation.gold)
    predictions = replace(task.predict("test"), temperature=calibration.temperature)
    labels = corpus.labels
    scores = score([labels[i] for i in predictions.gold], [labels[i] for i in predictions.predicted], labels)
    run = Run(
        seed=seed,
        acc=scores.acc,
        wf1=scores.wf1,
        macro_f1=scores.macro_f1,
        val_wf1=trained.best.val_wf1,
        temperature=calibration.temperature,
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
    return Outcome(
        run,
        predictions,
        *count_parameters(task.model),
        latency_ms=round(latency_ms(task, device), 3),
        activations_mb=round(activations_mb(task), 2),
    )


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
