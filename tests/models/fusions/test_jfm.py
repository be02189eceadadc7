"""The fusion block against Eq. 1-4 written as plain loops (conftest.py)."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import run_bert, run_vit
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from erc_core.models.backbones import make_bert, make_vit
from erc_core.models.fusions.jfm import JointBlock
from erc_core.params.backbones import TransformerSizes

WIDTH, HEADS = 12, 3
PATCHES, TOKENS = [7, 3, 1], [2, 5, 4]
PARTS = {  # which of the two outputs a part of an untied block may reach
    "V": "text",
    "L": "text",
    "mlp": "text",
    "v_JD": "text",
    "V_text_to_mel": "mel",
    "L_text_to_mel": "mel",
    "mlp_prime": "mel",
    "v_prime_JD": "mel",
}


def make_block(*, joint_len: int = 4, tied: bool = True, seed: int = 0, perturb: bool = True) -> JointBlock:
    torch.manual_seed(seed)
    sizes = TransformerSizes(source="config", width=WIDTH, depth=1, heads=HEADS, mlp_ratio=2.0)
    bert, vit = make_bert(sizes, "bert"), make_vit(sizes, "vit", 4)
    block = JointBlock(
        vit.vit.blocks[0], bert.layers[0], width=WIDTH, joint_len=joint_len, init_std=0.5, tied=tied
    ).double()
    if perturb:
        shift(block)
    return block.eval()


def shift(thing: nn.Module | Tensor) -> None:
    """Move every weight by a value of its own."""
    with torch.no_grad():
        for parameter in thing.parameters() if isinstance(thing, nn.Module) else [thing]:
            parameter.add_(0.3 * torch.randn_like(parameter))


def padded(lengths: list[int], *, to: int, garbage: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return random sequences (B, to, D) with garbage behind them, and their mask."""
    generator = torch.Generator().manual_seed(seed)
    sequences = torch.full((len(lengths), to, WIDTH), garbage, dtype=torch.float64)
    for row, length in enumerate(lengths):
        sequences[row, :length] = torch.randn(length, WIDTH, generator=generator, dtype=torch.float64)
    return sequences, torch.arange(to) < torch.tensor(lengths)[:, None]


def inputs(*, more: int = 0, garbage: float = 1e6) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return F_m, its mask, F_t, its mask."""
    return (
        *padded(PATCHES, to=max(PATCHES) + more, garbage=garbage, seed=1),
        *padded(TOKENS, to=max(TOKENS) + 2 * more, garbage=garbage, seed=2),
    )


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("joint_len", [0, 1, 4])
def test_a_block_is_equations_1_to_4(equations: SimpleNamespace, tied: bool, joint_len: int):
    block = make_block(joint_len=joint_len, tied=tied)
    f_m, mask_m, f_t, mask_t = inputs()
    next_m, next_t = block(f_m, mask_m, f_t, mask_t)
    assert next_m.shape == f_m.shape
    assert next_t.shape == f_t.shape
    for b, (patches, tokens) in enumerate(zip(PATCHES, TOKENS, strict=True)):
        expected_m, expected_t = equations.joint_block(f_m[b, :patches], f_t[b, :tokens], block.state_dict(), HEADS)
        torch.testing.assert_close(next_m[b, :patches], expected_m, rtol=0, atol=1e-10)
        torch.testing.assert_close(next_t[b, :tokens], expected_t, rtol=0, atol=1e-10)


@pytest.mark.parametrize("tied", [True, False])
def test_gradients_are_those_of_the_equations(equations: SimpleNamespace, tied: bool):
    block = make_block(joint_len=2, tied=tied)
    f_m, mask_m, f_t, mask_t = inputs()
    f_m.requires_grad_()
    f_t.requires_grad_()
    weights = dict(block.named_parameters())
    next_m, next_t = block(f_m, mask_m, f_t, mask_t)
    found = torch.autograd.grad(
        next_m[mask_m].pow(3).sum() + next_t[mask_t].pow(3).sum(), [f_m, f_t, *weights.values()]
    )
    total = torch.zeros((), dtype=torch.float64)
    for b, (patches, tokens) in enumerate(zip(PATCHES, TOKENS, strict=True)):
        for output in equations.joint_block(f_m[b, :patches], f_t[b, :tokens], weights, HEADS):
            total = total + output.pow(3).sum()
    expected = torch.autograd.grad(total, [f_m, f_t, *weights.values()])
    for name, own, other in zip(["F_m", "F_t", *weights], found, expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-9, msg=name)
    assert not found[0][~mask_m].any()
    assert not found[1][~mask_t].any()


def test_the_copies_of_an_untied_block_differ_where_the_equations_are_checked():
    block = make_block(tied=False)
    assert not torch.equal(block.V.attn.qkv.weight, block.V_text_to_mel.attn.qkv.weight)
    assert not torch.equal(block.L.output.dense.weight, block.L_text_to_mel.output.dense.weight)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("garbage", [1e6, -1e12])
def test_padding_never_changes_a_result(tied: bool, garbage: float):
    block = make_block(tied=tied)
    before_m, before_t = block(*inputs(garbage=0.0))
    after_m, after_t = block(*inputs(more=5, garbage=garbage))
    for b, (patches, tokens) in enumerate(zip(PATCHES, TOKENS, strict=True)):
        torch.testing.assert_close(after_m[b, :patches], before_m[b, :patches], rtol=0, atol=1e-12)
        torch.testing.assert_close(after_t[b, :tokens], before_t[b, :tokens], rtol=0, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=5),
    more=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    joint_len=st.sampled_from([0, 1, 3]),
)
def test_an_utterance_gives_the_same_alone_as_in_any_batch(lengths, more, joint_len):
    block = make_block(joint_len=joint_len)
    patches, tokens = [list(column) for column in zip(*lengths, strict=True)]
    f_m, mask_m = padded(patches, to=max(patches) + more[0], garbage=1e6, seed=1)
    f_t, mask_t = padded(tokens, to=max(tokens) + more[1], garbage=-1e6, seed=2)
    next_m, next_t = block(f_m, mask_m, f_t, mask_t)
    for b, (p, t) in enumerate(lengths):
        alone_m, alone_t = block(f_m[b : b + 1, :p], mask_m[b : b + 1, :p], f_t[b : b + 1, :t], mask_t[b : b + 1, :t])
        torch.testing.assert_close(next_m[b, :p], alone_m[0], rtol=0, atol=1e-11)
        torch.testing.assert_close(next_t[b, :t], alone_t[0], rtol=0, atol=1e-11)


def test_permuting_the_batch_permutes_the_outputs():
    block, order = make_block(), torch.tensor([2, 0, 1])
    given_inputs = inputs()
    next_m, next_t = block(*given_inputs)
    permuted_m, permuted_t = block(*(tensor[order] for tensor in given_inputs))
    mask_m, mask_t = given_inputs[1][order], given_inputs[3][order]
    torch.testing.assert_close(permuted_m[mask_m], next_m[order][mask_m], rtol=0, atol=1e-12)
    torch.testing.assert_close(permuted_t[mask_t], next_t[order][mask_t], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "reaches"), PARTS.items())
def test_each_direction_reads_this_blocks_inputs_and_its_own_parts_only(name: str, reaches: str):
    # were anything of one direction read by the other, the other's output would move too
    block, given_inputs = make_block(tied=False), inputs()
    before_m, before_t = block(*given_inputs)
    shift(getattr(block, name))
    after_m, after_t = block(*given_inputs)
    assert torch.equal(before_m, after_m) == (reaches == "text")
    assert torch.equal(before_t, after_t) == (reaches == "mel")


@pytest.mark.parametrize("joint_len", [0, 4])
def test_only_joint_vectors_carry_one_stream_into_the_other(joint_len: int):
    block = make_block(joint_len=joint_len)
    f_m, mask_m, f_t, mask_t = inputs()
    before_m, before_t = block(f_m, mask_m, f_t, mask_t)
    other_mel = torch.where(mask_m[..., None], f_m.flip(-1), f_m)
    other_text = torch.where(mask_t[..., None], f_t.flip(-1), f_t)
    assert torch.equal(before_t, block(other_mel, mask_m, f_t, mask_t)[1]) == (joint_len == 0)
    assert torch.equal(before_m, block(f_m, mask_m, other_text, mask_t)[0]) == (joint_len == 0)


def whole_passes(block: JointBlock, f_m: Tensor, mask_m: Tensor, f_t: Tensor, mask_t: Tensor) -> tuple[Tensor, Tensor]:
    """Return Eq. 1-4 with each layer as the library calls it, nothing shared and nothing left out."""
    joint, patches, tokens = block.joint_len, f_m.shape[1], f_t.shape[1]
    V_prime, L_prime = block.V_text_to_mel or block.V, block.L_text_to_mel or block.L
    mask_m, mask_t = (torch.nn.functional.pad(mask, (0, joint), value=True) for mask in (mask_m, mask_t))
    v, v_prime = (vectors.expand(len(f_m), -1, -1) for vectors in (block.v_JD, block.v_prime_JD))
    v_bar = block.mlp(run_vit(block.V, torch.cat([f_m, v], dim=1), mask_m)[:, patches:])
    next_t = run_bert(block.L, torch.cat([f_t, v_bar], dim=1), mask_t)[:, :tokens]
    v_bar_prime = block.mlp_prime(run_bert(L_prime, torch.cat([f_t, v_prime], dim=1), mask_t)[:, tokens:])
    return run_vit(V_prime, torch.cat([f_m, v_bar_prime], dim=1), mask_m)[:, :patches], next_t


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"init_values": 0.3},
        {"qk_norm": True},
        {"scale_attn_norm": True, "scale_mlp_norm": True},
        {"qkv_bias": False, "proj_bias": False},
        {"act_layer": "quick_gelu"},
    ],
    ids=str,
)
def test_every_kind_of_vit_block_does_what_it_does_as_a_whole(kind: dict[str, Any], tied: bool):
    torch.manual_seed(0)
    vit = VisionTransformer(
        img_size=8, patch_size=4, num_classes=0, embed_dim=WIDTH, depth=1, num_heads=HEADS, mlp_ratio=2.0, **kind
    )
    layer = make_block().L
    block = JointBlock(vit.blocks[0], layer, width=WIDTH, joint_len=3, init_std=0.5, tied=tied).double()
    shift(block)
    block.eval()
    given_inputs = inputs()
    for found, expected in zip(block(*given_inputs), whole_passes(block, *given_inputs), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("which", ["V", "L"])
def test_dropout_of_attention_acts_in_training_only(which: str):
    block, given_inputs = make_block(), inputs()
    for module in block.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    plain = block(*given_inputs)
    dropout = block.V.attn.attn_drop if which == "V" else block.L.attention.self.dropout
    dropout.p = 0.5
    assert all(torch.equal(now, before) for now, before in zip(block(*given_inputs), plain, strict=True))
    block.train()
    # both outputs: each is behind a pass through V and one through L
    assert not any(torch.equal(now, before) for now, before in zip(block(*given_inputs), plain, strict=True))


def gradients(output: Tensor, block: JointBlock) -> dict[str, bool]:
    """Return whether each joint vector and each weight of the MLPs has a gradient that is zero nowhere but by ReLU."""
    names = [name for name, _ in block.named_parameters() if name.startswith(("v_", "mlp"))]
    found = torch.autograd.grad(
        output.square().sum(), [block.get_parameter(name) for name in names], allow_unused=True, retain_graph=True
    )
    return {
        name: gradient is not None and bool((gradient != 0).any()) for name, gradient in zip(names, found, strict=True)
    }


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("joint_len", [1, 4])
def test_joint_vectors_and_both_mlps_learn_from_the_direction_they_serve(tied: bool, joint_len: int):
    block = make_block(joint_len=joint_len, tied=tied)
    f_m, mask_m, f_t, mask_t = inputs()
    next_m, next_t = block(f_m, mask_m, f_t, mask_t)
    # the CLS alone, as that is all that a classifier reads
    from_text, from_mel = gradients(next_t[:, 0], block), gradients(next_m[:, 0], block)
    assert len(from_text) == 2 + 2 * 4
    for name in from_text:
        serves_mel = "prime" in name
        assert from_text[name] != serves_mel, name
        assert from_mel[name] == serves_mel, name


def test_every_joint_vector_has_its_own_gradient():
    block = make_block(joint_len=4)
    next_m, next_t = block(*inputs())
    (next_m[:, 0].square().sum() + next_t[:, 0].square().sum()).backward()
    for vectors in (block.v_JD, block.v_prime_JD):
        assert (vectors.grad.abs().sum(dim=1) > 0).all()
        assert len(vectors.grad.unique(dim=0)) == 4


def test_untied_layers_start_as_copies_and_are_trained_apart():
    tied, untied = make_block(perturb=False), make_block(tied=False, perturb=False)
    for before, after in zip(tied(*inputs()), untied(*inputs()), strict=True):
        torch.testing.assert_close(before, after, rtol=0, atol=0)
    assert tied.V_text_to_mel is None
    assert tied.L_text_to_mel is None
    of_v, of_l = (sum(p.numel() for p in layer.parameters()) for layer in (tied.V, tied.L))
    total = [sum(p.numel() for p in block.parameters()) for block in (tied, untied)]
    assert total[1] == total[0] + of_v + of_l


def test_without_joint_vectors_there_is_nothing_but_the_two_layers():
    for tied in (True, False):
        names = {name.split(".")[0] for name in make_block(joint_len=0, tied=tied).state_dict()}
        assert names == {"V", "L"}


def test_joint_vectors_are_drawn_with_the_given_spread():
    sizes = TransformerSizes(source="config", width=64, depth=1, heads=2, mlp_ratio=1.0)
    torch.manual_seed(0)
    bert, vit = make_bert(sizes, "bert"), make_vit(sizes, "vit", 4)
    block = JointBlock(vit.vit.blocks[0], bert.layers[0], width=64, joint_len=64, init_std=0.02, tied=True)
    for vectors in (block.v_JD, block.v_prime_JD):
        assert vectors.shape == (64, 64)
        # 4096 draws: four standard errors
        assert vectors.std().item() == pytest.approx(0.02, abs=4 * 0.02 / (2 * 4096) ** 0.5)
        assert vectors.mean().item() == pytest.approx(0.0, abs=4 * 0.02 / 64)
    assert not torch.equal(block.v_JD, block.v_prime_JD)


def test_each_block_draws_its_own_joint_vectors(make_small: Callable):
    fusion = make_small(n_blocks=3).model.fusion.blocks
    drawn = torch.stack([vectors for block in fusion for vectors in (block.v_JD, block.v_prime_JD)])
    assert len(drawn.flatten(1).unique(dim=0)) == 6
