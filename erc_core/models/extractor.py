"""The text feature extractor: from the frozen encoder's tokens to the fusion module's width."""

from torch import Tensor, nn

from erc_core.params.backbones import ExtractorParams


class TextFeatureExtractor(nn.Module):
    """Linear to the extractor's width, transformer encoder layers, linear to the fusion width. Trained from scratch."""

    def __init__(self, text_width: int, fusion_width: int, params: ExtractorParams) -> None:
        """Make the layers.

        Args:
            text_width: Width of the frozen encoder's output.
            fusion_width: D, width of the fusion transformers.
            params: backbones.<backbone>.extractor.
        """
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            params.width,
            params.heads,
            dim_feedforward=round(params.width * params.mlp_ratio),
            dropout=params.dropout,
            activation="gelu",
            batch_first=True,
        )
        self.enter = nn.Linear(text_width, params.width)
        self.encoder = nn.TransformerEncoder(layer, params.layers, enable_nested_tensor=False)
        self.leave = nn.Linear(params.width, fusion_width)

    def forward(self, text_BTE: Tensor, mask_BT: Tensor) -> Tensor:
        """Extract features.

        Args:
            text_BTE: (B, T, E) token-level output of the frozen encoder, padded.
            mask_BT: (B, T), true for real tokens.

        Returns:
            (B, T, D); padded positions hold numbers that mean nothing.
        """
        features: Tensor = self.leave(self.encoder(self.enter(text_BTE), src_key_padding_mask=~mask_BT))
        return features
