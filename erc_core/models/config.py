"""What it takes to make a model again without its weights: everything but the numbers in model.safetensors."""

from typing import Any

from erc_core.params.backbones import ExtractorParams
from erc_core.params.model import JFMParams, ModelParams
from erc_core.params.section import Section


class ModelConfig(Section):
    """The shape of a trained model; saved as config.json beside its weights.

    Attributes:
        labels: Emotion names in the order of the logits.
        text_width: E, width of the frozen encoder's output.
        n_mels: M, mel bins.
        max_frames: Frames of the longest clip that the position embedding covers.
        bert: Architecture of the BERT layers.
        vit: Architecture of the ViT.
    """

    labels: list[str]
    text_width: int
    n_mels: int
    max_frames: int
    model: ModelParams
    jfm: JFMParams
    extractor: ExtractorParams
    bert: dict[str, Any]
    vit: dict[str, Any]
