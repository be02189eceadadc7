"""What it takes to make a model again without its weights: everything but the numbers in model.safetensors."""

from typing import Any

from pydantic import field_validator

from erc_core.params.backbones import ExtractorParams
from erc_core.params.model import JFMParams, ModelParams
from erc_core.params.section import Section

DEPTHS = {"num_hidden_layers", "depth"}  # as transformers and timm call it
MOST_LAYERS = 200


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

    @field_validator("bert", "vit")
    @classmethod
    def _not_too_deep(cls, architecture: dict[str, Any]) -> dict[str, Any]:
        # layers are made one by one, also where their sizes cost nothing
        parts = [part for part in (architecture, *architecture.values()) if isinstance(part, dict)]
        for part in parts:
            for key in DEPTHS & part.keys():
                if not isinstance(part[key], int) or not 1 <= part[key] <= MOST_LAYERS:
                    raise ValueError(f"{key} = {part[key]!r}: allowed is 1 to {MOST_LAYERS}")
        return architecture
