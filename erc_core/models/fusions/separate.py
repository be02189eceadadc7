"""What the stand-ins for the JFM in Tables 2 and 3 have in common: text features, and the mel through a ViT of its own."""

from erc_core.errors import ErcError
from erc_core.models.backbones import VitStack
from erc_core.models.config import ModelConfig
from erc_core.models.streams import UtteranceClassifier


class SeparateVit(UtteranceClassifier):
    """Text as the text feature extractor gives it, without BERT, beside a mel that a whole ViT encodes.

    The ViT has all of its blocks unless model.vit_layers asks for the first ones only. Both streams are as wide as it.
    """

    def __init__(self, config: ModelConfig, vit: VitStack, *, classifiers: bool) -> None:
        """Make the streams.

        Args:
            config: The model's shape; its modality is T+A.
            vit: The ViT; blocks that are not used are left out.
            classifiers: Whether each stream has a classifier of its own.

        Raises:
            ErcError: There are fewer blocks than model.vit_layers.
        """
        blocks, count = list(vit.vit.blocks), config.model.vit_layers
        if count is not None and count > len(blocks):
            raise ErcError(f"model.vit_layers = {count}: the vit of this backbone has {len(blocks)} layers")
        width = int(vit.vit.embed_dim)
        super().__init__(config, vit.vit, text_width=width, mel_blocks=blocks[:count], classifiers=classifiers)
        self.width = width
