"""Section train as the training reads it: every `auto` is replaced, once, where parameters and device are known."""

from typing import Literal

import torch

from erc_core.inference.predict import Precision, resolve_precision
from erc_core.params.backbones import Recipe
from erc_core.params.schema import Params, deciding


class TrainingSettings(Recipe):
    """What decides a training beside its model and its loss; keys and units are those of section train."""

    seed: int
    optimizer: Literal["adam", "adamw"]
    weight_decay: float
    batch_size: int
    accumulate: int
    masks: int
    grad_clip: float
    precision: Precision


def training_settings(params: Params, dataset: str, device: torch.device) -> TrainingSettings:
    """Return section train; `auto` takes the backbone's value for the dataset, or what suits the device."""
    of_backbone = params.selected_backbone.training.of_dataset(dataset)
    values = of_backbone.model_dump(exclude={"datasets"}) | {
        name: value for name, value in deciding(params.train).items() if value != "auto"
    }
    return TrainingSettings(**values | {"precision": resolve_precision(params.train.precision, device)})
