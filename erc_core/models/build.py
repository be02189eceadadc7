"""From a model's shape and its transformers to the model."""

from collections.abc import Callable

from erc_core.models.backbones import BertStack, VitStack
from erc_core.models.classifier import JFMClassifier
from erc_core.models.config import ModelConfig
from erc_core.models.fusions.cfa import CFAFusion
from erc_core.models.fusions.concatenate import ConcatenateFusion
from erc_core.models.fusions.late import LateFusion
from erc_core.models.streams import UtteranceClassifier

SEPARATE: dict[str, Callable[[ModelConfig, VitStack], UtteranceClassifier]] = {
    "late": LateFusion,
    "cfa": CFAFusion,
    "concatenate": ConcatenateFusion,
}


def make_classifier(config: ModelConfig, bert: BertStack, vit: VitStack) -> UtteranceClassifier:
    """Return the model whose fusion config.model.fusion names.

    Args:
        config: Its shape.
        bert: BERT layers; used by the JFM only.
        vit: The ViT.

    Raises:
        ErcError: The transformers do not fit each other or the shape.
    """
    if config.model.fusion == "jfm":
        return JFMClassifier(config, bert, vit)
    return SEPARATE[config.model.fusion](config, vit)
