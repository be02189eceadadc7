"""What stands in for the JFM in Tables 2 and 3, against loops (conftest.py) and against timm, and what tells them apart.

What holds for every model, padding, missing speech, gradients and sizes among it, is in test_classifier.py.
"""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import torch
from small_models import (
    DEPTH,
    LABELS,
    PATCH,
    WIDTH,
    make_config,
    pretrained,
    randomize,
    save_bert,
    save_vit,
    stacks_from_sizes,
)
from torch import Tensor, nn

from erc_core.errors import ErcError
from erc_core.models.backbones import make_bert, make_vit
from erc_core.models.batch import Batch, Output
from erc_core.models.classifier import make_classifier
from erc_core.models.fusions.cfa import CFAFusion
from erc_core.models.fusions.concatenate import ConcatenateFusion
from erc_core.models.fusions.jfm import JFM
from erc_core.models.fusions.late import LateFusion
from erc_core.models.fusions.registry import FUSIONS
from erc_core.params.model import ModelParams

SEPARATE = ["late", "cfa", "concatenate"]
TOKENS, FRAMES = [5, 2, 7, 3], [30, 0, 9, 3]  # the longest clip, none, partial patches, shorter than a patch


def other_mel(batch: Batch) -> Batch:
    return replace(batch, mel_BFM=batch.mel_BFM.flip(2))


def other_text(batch: Batch) -> Batch:
    return replace(batch, text_BTE=batch.text_BTE.flip(2))


def changed(before: Tensor, after: Tensor) -> list[bool]:
    """Return whether each utterance's vector changed at all."""
    return (before != after).any(dim=1).tolist()


@pytest.mark.parametrize("vit_layers", [None, 1])
@pytest.mark.parametrize("fusion", SEPARATE)
def test_a_fusion_is_its_equations(
    equations: SimpleNamespace, make_small: Callable, make_batch: Callable, fusion: str, vit_layers: int | None
):
    small = make_small(fusion=fusion, vit_layers=vit_layers)
    batch = make_batch(TOKENS, FRAMES, extra_tokens=2, extra_frames=2)
    found = small.model(batch)
    for b, (tokens, frames) in enumerate(zip(TOKENS, FRAMES, strict=True)):
        expected = equations.separate(small.model, small.vit, batch.text_BTE[b, :tokens], batch.mel_BFM[b, :frames])
        for name, tensor in expected.items():
            assert (tensor is None) == (getattr(found, name) is None), name
            if tensor is not None:
                torch.testing.assert_close(getattr(found, name)[b], tensor, rtol=0, atol=1e-10)


def test_the_separate_vit_is_the_whole_vit():
    # a mel as large as the pictures of the ViT, seen as a grey picture by timm's own forward pass
    bert, vit = stacks_from_sizes()
    vit.vit.double().eval()
    randomize(vit.vit)
    side = vit.vit.patch_embed.img_size[0]
    config = make_config(bert, vit, fusion="late").model_copy(update={"n_mels": side, "max_frames": side})
    model = make_classifier(config, bert, vit).double().eval()
    mel_BFM = torch.randn(3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    frames_B = torch.tensor([side, side - 3 * PATCH, side])
    output = model(
        Batch(
            text_BTE=torch.zeros(3, 1, config.text_width, dtype=torch.float64),
            tokens_B=torch.ones(3, dtype=torch.int64),
            mel_BFM=mel_BFM,
            frames_B=frames_B,
            labels_B=torch.zeros(3, dtype=torch.int64),
            index_B=torch.arange(3),
        )
    )
    picture_BCHW = mel_BFM.transpose(1, 2)[:, None].expand(-1, 3, -1, -1)
    cls_BD = vit.vit.forward_features(picture_BCHW)[:, 0]
    found_BD = output.features_BF[:, WIDTH:]
    torch.testing.assert_close(found_BD[[0, 2]], cls_BD[[0, 2]], rtol=0, atol=1e-6)  # the kernel was summed in single
    assert not torch.allclose(found_BD[1], cls_BD[1])  # a shorter clip is no picture with an empty margin


# ---- what tells them apart ----


def test_late_fusion_streams_never_hear_of_each_other(make_small: Callable, make_batch: Callable):
    model, batch = make_small(fusion="late").model, make_batch(TOKENS, FRAMES)
    before, mel, text = (model(given) for given in (batch, other_mel(batch), other_text(batch)))
    spoken = [frames > 0 for frames in FRAMES]
    assert changed(before.mel_logits_BC, mel.mel_logits_BC) == spoken
    assert changed(before.logits_BC, mel.logits_BC) == spoken
    assert not any(changed(before.text_logits_BC, mel.text_logits_BC))
    assert all(changed(before.text_logits_BC, text.text_logits_BC))
    assert not any(changed(before.mel_logits_BC, text.mel_logits_BC))
    torch.testing.assert_close(before.logits_BC, (before.text_logits_BC + before.mel_logits_BC) / 2)


def test_late_fusion_is_not_the_jfm_without_joint_vectors(make_small: Callable):
    # `w/o JFM` has no BERT and a ViT of its own; `w/o v_j` keeps the N layers of both
    late, without_joint = (
        {".".join(name.split(".")[:2]) for name in make_small(**switches).model.state_dict()}
        for switches in ({"fusion": "late"}, {"joint_len": 0})
    )
    shared = {"text.extractor", "speech.patches", "speech.norm", "text.classifier", "speech.classifier"}
    assert late == shared | {"speech.layers"}
    assert without_joint == shared | {"fusion.blocks"}


@pytest.mark.parametrize(("fusion", "vectors"), [("concatenate", 2), ("cfa", 4)])
def test_one_classifier_reads_the_vectors_of_both_streams(
    make_small: Callable, make_batch: Callable, fusion: str, vectors: int
):
    model, batch = make_small(fusion=fusion).model, make_batch(TOKENS, FRAMES)
    classifiers = [
        layer for layer in model.modules() if isinstance(layer, nn.Linear) and layer.out_features == len(LABELS)
    ]
    assert [layer.in_features for layer in classifiers] == [vectors * WIDTH]
    output = model(batch)
    assert output.features_BF.shape == (len(TOKENS), vectors * WIDTH)
    assert output.text_logits_BC is None
    assert output.mel_logits_BC is None
    assert torch.equal(classifiers[0](output.features_BF), output.logits_BC)


def test_concatenated_features_are_one_stream_each(make_small: Callable, make_batch: Callable):
    model, batch = make_small(fusion="concatenate").model, make_batch(TOKENS, FRAMES)
    halves = [model(given).features_BF.chunk(2, dim=1) for given in (batch, other_mel(batch), other_text(batch))]
    assert not any(changed(halves[0][0], halves[1][0]))
    assert not any(changed(halves[0][1], halves[2][1]))
    assert all(changed(halves[0][0], halves[2][0]))
    assert changed(halves[0][1], halves[1][1]) == [frames > 0 for frames in FRAMES]


def test_cross_modal_attention_carries_each_stream_into_the_other(make_small: Callable, make_batch: Callable):
    model, batch = make_small(fusion="cfa").model, make_batch(TOKENS, FRAMES)
    spoken, everywhere, nowhere = [frames > 0 for frames in FRAMES], [True] * 4, [False] * 4
    before, mel, text = (
        model(given).features_BF.chunk(4, dim=1) for given in (batch, other_mel(batch), other_text(batch))
    )
    # Z_a, Z_t, Z_a', Z_t'
    assert [changed(*pair) for pair in zip(before, mel, strict=True)] == [spoken, nowhere, spoken, spoken]
    assert [changed(*pair) for pair in zip(before, text, strict=True)] == [nowhere, everywhere, everywhere, everywhere]


# ---- which model, which blocks ----


@pytest.mark.parametrize(
    ("fusion", "kind"),
    [("jfm", JFM), ("late", LateFusion), ("cfa", CFAFusion), ("concatenate", ConcatenateFusion)],
)
def test_the_fusion_asked_for_is_made(make_small: Callable, fusion: str, kind: type):
    assert type(make_small(fusion=fusion).model.fusion) is kind


def test_every_fusion_has_a_name_in_the_schema_and_a_class():
    names = get_args(ModelParams.model_fields["fusion"].annotation)
    assert tuple(FUSIONS) == names


@pytest.mark.parametrize("vit_layers", [None, 1, DEPTH])
def test_the_first_blocks_of_the_vit_are_taken(make_small: Callable, vit_layers: int | None):
    small = make_small(fusion="late", vit_layers=vit_layers)
    assert [id(block) for block in small.model.speech.layers] == [
        id(block) for block in list(small.vit.vit.blocks)[:vit_layers]
    ]


def test_more_blocks_than_the_vit_has(make_small: Callable):
    with pytest.raises(ErcError, match=r"model\.vit_layers = 5: the vit of this backbone has 4 layers"):
        make_small(fusion="cfa", vit_layers=5)


@pytest.mark.parametrize("fusion", SEPARATE)
def test_frozen_freezes_the_blocks_of_the_vit_and_nothing_else(make_small: Callable, make_batch: Callable, fusion: str):
    model = make_small(fusion=fusion, frozen=True).model
    model(make_batch(TOKENS, FRAMES)).logits_BC.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad != name.startswith("speech.layers."), name
        assert (parameter.grad is None) == name.startswith("speech.layers."), name


@pytest.mark.parametrize("fusion", SEPARATE)
def test_pretrained_weights_go_through(tmp_path: Any, make_batch: Callable, fusion: str):
    # a BERT of another width is no obstacle: none of its layers is used
    bert = make_bert(pretrained(save_bert(tmp_path / "bert", hidden_size=24)), "bert")
    vit = make_vit(pretrained(save_vit(tmp_path / "vit")), "vit", PATCH)
    weights = {name: tensor.clone() for name, tensor in vit.vit.state_dict().items()}
    model = make_classifier(make_config(bert, vit, fusion=fusion), bert, vit).eval()
    assert len(model.speech.layers) == DEPTH
    for name, tensor in model.speech.layers.state_dict().items():
        assert torch.equal(tensor, weights[f"blocks.{name}"]), name
    assert torch.equal(model.speech.norm.weight, weights["norm.weight"])
    output: Output = model(make_batch(TOKENS, FRAMES, dtype=torch.float32))
    assert torch.isfinite(output.logits_BC).all()


# ---- precision ----


@pytest.mark.parametrize("fusion", SEPARATE)
def test_mixed_precision_is_near_single(make_small: Callable, make_batch: Callable, fusion: str):
    model = make_small(fusion=fusion, dtype=torch.float32).model
    batch = make_batch([40, 3], [30, 12], dtype=torch.float32, garbage=0.0)
    with torch.no_grad():
        single = model(batch).logits_BC
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = model(batch).logits_BC.float()
    # bfloat16 keeps 8 bits; the largest logit is the measure
    torch.testing.assert_close(mixed, single, rtol=0, atol=0.05 * single.abs().max().item())
