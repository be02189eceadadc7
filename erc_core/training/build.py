"""From parameters and features to a task: an untrained model, with the utterances that it learns."""

import math

import torch

from erc_core.inference.feature_set import FeatureSet
from erc_core.models.augment import Augmentation, Patchout, SpecAugment
from erc_core.models.backbones import make_bert, make_vit
from erc_core.models.classifier import make_classifier
from erc_core.models.config import ModelConfig
from erc_core.params.model import JFMParams
from erc_core.params.schema import Params
from erc_core.training.processes import ALONE, Processes
from erc_core.training.settings import TrainingSettings
from erc_core.training.task import UtteranceTask

PRETRAINED_JOINT_STD = 0.02  # Li et al. 2023, whose joint vectors these are; BERT and ViT start from it too


def make_task(
    params: Params,
    labels: list[str],
    features: FeatureSet,
    settings: TrainingSettings,
    device: torch.device,
    processes: Processes = ALONE,
) -> UtteranceTask:
    """Return the task that params ask for: its model has pretrained or seeded weights, and the mel statistics of the corpus.

    Raises:
        ErcError: Pretrained weights cannot be found or do not fit.
    """
    seed_everything(settings.seed)
    backbone, key = params.selected_backbone, f"backbones.{params.backbone}"
    bert = make_bert(backbone.bert, f"{key}.bert")
    vit = make_vit(backbone.vit, f"{key}.vit", backbone.patch)
    config = ModelConfig(
        labels=labels,
        text_width=features.text.width,
        n_mels=features.mel.width,
        max_frames=max_mel_frames(params),
        model=params.model,
        jfm=_with_joint_init(params),
        extractor=backbone.extractor,
        bert=bert.architecture,
        vit=vit.architecture,
    )
    spec_augment = SpecAugment(settings.freq_mask, settings.time_mask, settings.masks)
    model = make_classifier(config, bert, vit, Augmentation(spec_augment, Patchout(settings.patchout)))
    if model.speech:
        model.speech.patches.set_statistics(*features.mel_statistics)
    return UtteranceTask(model, features, settings, params.icl, device, processes)


def _with_joint_init(params: Params) -> JFMParams:
    """Return section jfm; `auto` of joint_init_std is what suits the layers that the joint vectors pass."""
    jfm, backbone = params.jfm, params.selected_backbone
    if jfm.joint_init_std != "auto" or backbone.vit.source != "pretrained":
        return jfm  # beside random weights, the model takes a value by its width
    return jfm.model_copy(update={"joint_init_std": PRETRAINED_JOINT_STD})


def seed_everything(seed: int) -> None:
    """Fix weights, dropout and the choice of algorithms."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    # filling memory before it is written costs 5% of a step, and helps only code that reads what it never wrote
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def max_mel_frames(params: Params) -> int:
    """Return the frames of a clip of audio.max_seconds."""
    samples = round(params.audio.max_seconds * params.audio.sample_rate) + 1
    hop = round(params.mel.hop_ms * params.audio.sample_rate / 1000)
    return 1 + math.ceil(samples / hop)
