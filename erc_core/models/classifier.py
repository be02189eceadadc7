"""The model of single utterances: fusion(text_stream(batch), speech_stream(batch))."""

from collections.abc import Iterator

from torch import nn

from erc_core.models.augment import Augmentation
from erc_core.models.backbones import BertStack, VitStack
from erc_core.models.batch import Batch, Output
from erc_core.models.config import ModelConfig
from erc_core.models.fusions.fusion import Fusion
from erc_core.models.fusions.registry import FUSIONS
from erc_core.models.streams import SpeechStream, TextStream


class UtteranceClassifier(nn.Module):
    """Text and speech of an utterance, joined by a fusion; or one of them alone, the other is None."""

    def __init__(
        self, config: ModelConfig, text: TextStream | None, speech: SpeechStream | None, fusion: Fusion
    ) -> None:
        super().__init__()
        self.config = config
        self.text = text
        self.speech = speech
        self.fusion = fusion

    def forward(self, batch: Batch) -> Output:
        """Classify a batch. Padding never changes an utterance's result: every attention and every mean leaves it out."""
        output: Output = self.fusion(
            self.text(batch) if self.text else None, self.speech(batch) if self.speech else None
        )
        return output

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the parameters, the layers of both streams first.

        The norm of the gradient is summed in this order. Any order is as good, but another one rounds otherwise, and no score
        could be made again to its last digit.
        """
        named = super().named_parameters(prefix, recurse, remove_duplicate)
        yield from sorted(named, key=lambda item: item[0].removeprefix(f"{prefix}.").split(".")[1] != "layers")


def make_classifier(
    config: ModelConfig, bert: BertStack, vit: VitStack, augmentation: Augmentation | None = None
) -> UtteranceClassifier:
    """Return the model whose fusion config.model.fusion names.

    Layers of the transformers that are not used are left out. Inference needs no augmentation.

    Raises:
        ErcError: The transformers do not fit each other or the shape.
    """
    if config.jfm.frozen:
        for layer in (*bert.layers, *vit.vit.blocks):  # they pass gradients on and take none
            layer.requires_grad_(requires_grad=False)
    fusion, modality = FUSIONS[config.model.fusion], config.model.modality
    plan = fusion.plan(config, bert, vit)
    # random numbers are drawn in this order: text, speech, fusion
    text = TextStream(config, plan) if "T" in modality else None
    speech = SpeechStream(config, plan, vit.vit, augmentation) if "A" in modality else None
    return UtteranceClassifier(config, text, speech, fusion(config, bert, vit))
