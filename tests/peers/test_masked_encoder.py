"""The encoder layer under one mask for all heads, against torch's own."""

import pytest
import torch
from torch import Tensor, nn

from erc_core.peers import masked_encoder
from erc_core.peers.masked_encoder import MaskedEncoderLayer

WIDTH, HEADS, UTTERANCES = 12, 3, 10


def layers(dropout: float = 0.0) -> tuple[MaskedEncoderLayer, nn.TransformerEncoderLayer]:
    """Return a layer and torch's with the same weights, none of which is at its special start."""
    made = []
    for make in (MaskedEncoderLayer, nn.TransformerEncoderLayer):
        torch.manual_seed(0)
        options = {} if make is MaskedEncoderLayer else {"activation": "gelu", "batch_first": True}
        made.append(make(WIDTH, HEADS, 4 * WIDTH, dropout, **options))
    ours, theirs = made
    for key, value in ours.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[key])
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(torch.randn_like(parameter) / 4)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    h = torch.randn(2, UTTERANCES, WIDTH, generator=generator)
    may = torch.rand(2, UTTERANCES, UTTERANCES, generator=generator) < 0.4
    return h, may | torch.eye(UTTERANCES, dtype=torch.bool)


def result(layer: nn.Module, h: Tensor, mask: Tensor) -> list[Tensor]:
    """Return what a layer makes, and the gradients of its input and weights under some loss."""
    h = h.clone().requires_grad_()
    torch.manual_seed(5)
    output = layer(h, mask)
    loss = (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum()
    return [output.detach(), *torch.autograd.grad(loss, [h, *(p for _, p in sorted(layer.named_parameters()))])]


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("block", [512, 4])
def test_is_the_encoder_layer_of_torch_forwards_and_backwards(monkeypatch, block, dropout):
    monkeypatch.setattr(masked_encoder, "BLOCK", block)
    ours, theirs = layers(dropout)
    if block < UTTERANCES:  # other blocks, other random numbers
        ours.self_attn.dropout = theirs.self_attn.dropout = 0.0
        assert UTTERANCES % block
    h, may = inputs()
    expected = result(theirs, h, (~may).repeat_interleave(HEADS, dim=0))
    for one, other in zip(result(ours, h, may), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-6)
    ours.eval()
    theirs.eval()
    with torch.inference_mode():
        torch.testing.assert_close(ours(h, may), theirs(h, (~may).repeat_interleave(HEADS, dim=0)), rtol=0, atol=1e-6)


def test_a_block_computed_again_drops_the_same_shares(monkeypatch):
    monkeypatch.setattr(masked_encoder, "BLOCK", 4)
    ours, _ = layers(0.5)
    h, may = inputs()
    again = result(ours, h, may)
    monkeypatch.setattr(MaskedEncoderLayer, "_attend_again", MaskedEncoderLayer._attend)
    for one, other in zip(again, result(ours, h, may), strict=True):
        torch.testing.assert_close(one, other)


def test_what_is_kept_for_the_backward_pass_grows_as_the_dialogue_and_not_with_heads(monkeypatch):
    monkeypatch.setattr(masked_encoder, "BLOCK", 32)
    kept = {}
    for utterances in (128, 256):
        for heads in (1, 4):
            sizes: dict[int, int] = {}

            def pack(tensor: Tensor, sizes: dict[int, int] = sizes) -> Tensor:
                if tensor.dtype != torch.bool:  # one mask for all layers, which the caller holds
                    sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
                return tensor

            layer = MaskedEncoderLayer(8, heads, 8, 0.1)
            may = torch.ones(1, utterances, utterances, dtype=torch.bool)
            with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
                layer(torch.randn(1, utterances, 8, requires_grad=True), may)
            kept[utterances, heads] = sum(sizes.values())
    assert kept[256, 4] < 1.2 * kept[256, 1]
    assert kept[256, 4] < 2.2 * kept[128, 4]
