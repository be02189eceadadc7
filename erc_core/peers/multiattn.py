"""MultiAttn of MultiEMO: two modalities, each read by the other through layers of multi-head cross attention.

B dialogues, U utterances of the longest dialogue, W width.
"""

from torch import Tensor, nn

from erc_core.params.peers import MultiEmoParams


class MultiAttnLayer(nn.Module):
    """One layer: the modality asks, the other answers; then a feed-forward network. LayerNorm after each, as in BERT."""

    def __init__(self, params: MultiEmoParams) -> None:
        super().__init__()
        width, hidden = params.width, round(params.width * params.mlp_ratio)
        self.attention = nn.MultiheadAttention(width, params.heads, batch_first=True)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.feed_forward_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(params.dropout)

    def forward(self, asking_BUW: Tensor, other_BUW: Tensor, padding_BU: Tensor) -> Tensor:
        """Return the asking modality with what it read, (B, U, W)."""
        read_BUW, _ = self.attention(asking_BUW, other_BUW, other_BUW, key_padding_mask=padding_BU, need_weights=False)
        asking_BUW = self.attention_norm(asking_BUW + self.dropout(read_BUW))
        fused_BUW: Tensor = self.feed_forward_norm(asking_BUW + self.dropout(self.feed_forward(asking_BUW)))
        return fused_BUW


class MultiAttn(nn.Module):
    """MultiAttn_text and MultiAttn_audio (Shi & Huang, ACL 2023), with text and speech only.

    A stack for each modality. Every layer asks with what the layer before it gave; keys and values are always the other
    modality's features before the fusion. The paper's layer attends to two other modalities one after the other; with
    two modalities in all, one of its two attentions is left.
    """

    def __init__(self, params: MultiEmoParams) -> None:
        super().__init__()
        self.text_layers = nn.ModuleList(MultiAttnLayer(params) for _ in range(params.layers))
        self.speech_layers = nn.ModuleList(MultiAttnLayer(params) for _ in range(params.layers))

    def forward(self, text_BUW: Tensor, speech_BUW: Tensor, mask_BU: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse the modalities.

        Args:
            text_BUW: (B, U, W) text in its context.
            speech_BUW: (B, U, W) speech in its context.
            mask_BU: (B, U), true for real utterances; every dialogue has one.

        Returns:
            Text and speech after fusion, (B, U, W) each; numbers in padding mean nothing.
        """
        fused_text_BUW, fused_speech_BUW = text_BUW, speech_BUW
        for layer in self.text_layers:
            fused_text_BUW = layer(fused_text_BUW, speech_BUW, ~mask_BU)
        for layer in self.speech_layers:
            fused_speech_BUW = layer(fused_speech_BUW, text_BUW, ~mask_BU)
        return fused_text_BUW, fused_speech_BUW
