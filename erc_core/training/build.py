"""From parameters and features to an untrained model."""

import math

import torch

from erc_core.inference.feature_set import FeatureSet
from erc_core.models.backbones import make_bert, make_vit
from erc_core.models.build import make_classifier
from erc_core.models.config import ModelConfig
from erc_core.models.streams import UtteranceClassifier
from erc_core.params.schema import Params


def max_mel_frames(params: Params) -> int:
    """Return the frames of a clip of audio.max_seconds."""
    samples = round(params.audio.max_seconds * params.audio.sample_rate) + 1
    hop = round(params.mel.hop_ms * params.audio.sample_rate / 1000)
    return 1 + math.ceil(samples / hop)


def build_model(params: Params, labels: list[str], features: FeatureSet, seed: int) -> UtteranceClassifier:
    """Make the model that params ask for, with its pretrained or seeded weights.

    Args:
        params: All parameters.
        labels: Emotion names in the order of the logits.
        features: The corpus: gives the text width and the mel statistics.
        seed: Fixes the weights that are not pretrained.

    Raises:
        ErcError: Pretrained weights cannot be found or do not fit.
    """
    torch.manual_seed(seed)
    backbone, key = params.selected_backbone, f"backbones.{params.backbone}"
    bert = make_bert(backbone.bert, f"{key}.bert")
    vit = make_vit(backbone.vit, f"{key}.vit", backbone.patch)
    config = ModelConfig(
        labels=labels,
        text_width=features.text.width,
        n_mels=features.mel.width,
        max_frames=max_mel_frames(params),
        model=params.model,
        jfm=params.jfm,
        extractor=backbone.extractor,
        bert=bert.architecture,
        vit=vit.architecture,
    )
    model = make_classifier(config, bert, vit)
    if model.has_mel:
        model.patches.set_statistics(*features.mel_statistics)
    return model
