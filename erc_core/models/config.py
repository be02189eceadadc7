"""What it takes to make a model again without its weights: everything but the numbers in model.safetensors."""

from typing import Any

from erc_core.params.backbones import ExtractorParams
from erc_core.params.model import JFMParams, ModelParams
from erc_core.params.section import Section


class ModelConfig(Section):
    """The shape of a trained model; saved as config.json beside its weights."""

    labels: list[str]  # emotion names in the order of the logits
    text_width: int  # E, width of the frozen encoder's output
    n_mels: int  # M, mel bins
    max_frames: int  # frames of the longest clip that the position embedding covers
    model: ModelParams
    jfm: JFMParams
    extractor: ExtractorParams
    bert: dict[str, Any]  # architecture of the BERT layers
    vit: dict[str, Any]  # architecture of the ViT
