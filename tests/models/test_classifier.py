"""The paper's model against the equations written as plain loops (conftest.py), what each switch may change, and what
holds for every model of single utterances, whatever its fusion."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from small_models import DEPTH, EXTRACTOR_LAYERS, EXTRACTOR_WIDTH, TEXT_WIDTH, WIDTH, stacks_from_sizes
from torch import Tensor

from erc_core.errors import ErcError
from erc_core.models.augment import Augmentation, Patchout, SpecAugment
from erc_core.models.batch import Batch, Output
from erc_core.models.classifier import UtteranceClassifier

# of the small models of small_models.py; INNER is the feed-forward width
INNER, EXTRACTOR_INNER, PATCH_AREA, ROWS, COLUMNS, CLASSES = 24, 40, 16, 3, 8, 3
TOKENS, FRAMES = [5, 2, 7, 3], [30, 0, 9, 3]  # the longest clip, none, partial patches, shorter than a patch
FUSED = [
    {"joint_len": joint_len, "tied": tied, "streams": streams, "layers": layers}
    for joint_len, tied, streams, layers in product((0, 4), (True, False), ("aligned", "literal"), ("first", "last"))
]
ALONE = [{"modality": modality, "layers": layers} for modality in ("T", "A") for layers in ("first", "last")]
# what stands in for the JFM; its own properties are in test_fusions.py
SEPARATE = [{"fusion": "late"}, {"fusion": "cfa"}, {"fusion": "concatenate"}, {"fusion": "late", "vit_layers": 2}]
# one of each switch: enough for what every variant must do
VARIANTS = [
    *ALONE,
    *SEPARATE,
    {},
    {"joint_len": 0},
    {"tied": False},
    {"streams": "literal"},
    {"layers": "last"},
    {"n_blocks": 3, "joint_len": 1},
    {"streams": "literal", "tied": False, "layers": "last", "n_blocks": 1},
]


def name_of(switches: dict[str, Any]) -> str:
    return "-".join(f"{key}={value}" for key, value in switches.items()) or "default"


def outputs(output: Output) -> dict[str, Tensor | None]:
    return {name: getattr(output, name) for name in ("logits_BC", "text_logits_BC", "mel_logits_BC", "features_BF")}


def assert_same(actual: Output, expected: Output, rows: slice = slice(None), atol: float = 1e-10) -> None:
    for name, tensor in outputs(actual).items():
        other = getattr(expected, name)
        assert (tensor is None) == (other is None), name
        if tensor is not None:
            torch.testing.assert_close(tensor, other[rows], rtol=0, atol=atol)


@pytest.mark.parametrize("switches", ALONE + FUSED, ids=name_of)
def test_the_model_is_its_equations(
    equations: SimpleNamespace, make_small: Callable, make_batch: Callable, switches: dict[str, Any]
):
    small, batch = make_small(**switches), make_batch(TOKENS, FRAMES, extra_tokens=2, extra_frames=2)
    with torch.no_grad():
        found = outputs(small.model(batch))
        for b, (tokens, frames) in enumerate(zip(TOKENS, FRAMES, strict=True)):
            expected = equations.classifier(
                small.model, small.bert, small.vit, batch.text_BTE[b, :tokens], batch.mel_BFM[b, :frames]
            )
            for name, tensor in expected.items():
                assert (tensor is None) == (found[name] is None), name
                if tensor is not None:
                    torch.testing.assert_close(found[name][b], tensor, rtol=0, atol=1e-10)


# ---- modalities ----


def parts(model: UtteranceClassifier) -> set[str]:
    return {".".join(name.split(".")[:2]) for name in model.state_dict()}


@pytest.mark.parametrize(
    ("modality", "expected"),
    [
        ("T", {"text.extractor", "text.layers", "text.classifier"}),
        ("A", {"speech.patches", "speech.layers", "speech.norm", "speech.classifier"}),
        (
            "T+A",
            {
                "text.extractor",
                "text.classifier",
                "speech.patches",
                "speech.norm",
                "speech.classifier",
                "fusion.blocks",
            },
        ),
    ],
)
def test_a_modality_has_its_own_parts_only(make_small: Callable, modality: str, expected: set[str]):
    assert parts(make_small(modality=modality).model) == expected


def test_averaged_logits_and_joined_features(make_small: Callable, make_batch: Callable):
    batch = make_batch(TOKENS, FRAMES)
    both = make_small().model(batch)
    torch.testing.assert_close(both.logits_BC, (both.text_logits_BC + both.mel_logits_BC) / 2)  # (5)
    assert both.logits_BC.shape == (4, CLASSES)
    assert both.features_BF.shape == (4, 2 * WIDTH)
    assert not torch.allclose(both.text_logits_BC, both.mel_logits_BC)
    text, mel = (make_small(modality=modality).model(batch) for modality in ("T", "A"))
    assert torch.equal(text.logits_BC, text.text_logits_BC)
    assert torch.equal(mel.logits_BC, mel.mel_logits_BC)
    assert text.mel_logits_BC is None
    assert mel.text_logits_BC is None
    assert text.features_BF.shape == mel.features_BF.shape == (4, WIDTH)


def test_features_are_the_vectors_that_the_classifiers_read(make_small: Callable, make_batch: Callable):
    model = make_small().model
    output = model(make_batch(TOKENS, FRAMES))
    text_BD, mel_BD = output.features_BF.chunk(2, dim=1)
    torch.testing.assert_close(model.text.classifier(text_BD), output.text_logits_BC)
    torch.testing.assert_close(model.speech.classifier(mel_BD), output.mel_logits_BC)


# ---- exchange between the streams ----


@pytest.mark.parametrize("layers", ["first", "last"])
@pytest.mark.parametrize("joint_len", [0, 1, 4])
def test_streams_hear_of_each_other_through_joint_vectors_only(
    make_small: Callable, make_batch: Callable, joint_len: int, layers: str
):
    model = make_small(joint_len=joint_len, layers=layers).model
    batch = make_batch(TOKENS, [12, 5, 9, 3])
    before = model(batch)
    other_mel = model(replace(batch, mel_BFM=batch.mel_BFM.flip(2)))
    other_text = model(replace(batch, text_BTE=batch.text_BTE.flip(2)))
    for b in range(4):
        assert not torch.equal(before.mel_logits_BC[b], other_mel.mel_logits_BC[b])
        assert not torch.equal(before.text_logits_BC[b], other_text.text_logits_BC[b])
        assert torch.equal(before.text_logits_BC[b], other_mel.text_logits_BC[b]) == (joint_len == 0)
        assert torch.equal(before.mel_logits_BC[b], other_text.mel_logits_BC[b]) == (joint_len == 0)


def test_streams_swap_transformers_after_every_literal_block(make_small: Callable, make_batch: Callable):
    aligned, literal = make_small(n_blocks=3), make_small(n_blocks=3, streams="literal")
    literal.model.load_state_dict(aligned.model.state_dict())
    batch = make_batch(TOKENS, FRAMES)
    assert not torch.allclose(aligned.model(batch).logits_BC, literal.model(batch).logits_BC)
    read: list[list[tuple[int, int]]] = []
    for small in (aligned, literal):
        lengths: list[tuple[int, int]] = []
        for block in small.model.fusion.blocks:
            block.register_forward_pre_hook(
                lambda _, args, own=lengths: own.append((args[0].shape[1], args[2].shape[1]))
            )
        small.model(batch)
        read.append(lengths)
    patches, tokens = 1 + ROWS * COLUMNS, max(TOKENS)
    assert read == [[(patches, tokens)] * 3, [(patches, tokens), (tokens, patches), (patches, tokens)]]


# ---- which layers ----


@pytest.mark.parametrize("n_blocks", [1, 2, 4])
@pytest.mark.parametrize("layers", ["first", "last"])
def test_the_layers_asked_for_are_taken(make_small: Callable, layers: str, n_blocks: int):
    small = make_small(layers=layers, n_blocks=n_blocks)
    model, L, V = small.model, small.bert.layers, list(small.vit.vit.blocks)
    assert len(L) == len(V) == DEPTH
    start = 0 if layers == "first" else DEPTH - n_blocks
    assert [id(block.L) for block in model.fusion.blocks] == [id(layer) for layer in L[start : start + n_blocks]]
    assert [id(block.V) for block in model.fusion.blocks] == [id(block) for block in V[start : start + n_blocks]]
    # those before run unimodally, in their order; those after are not part of the model
    assert [id(layer) for layer in model.text.layers] == [id(layer) for layer in L[:start]]
    assert [id(block) for block in model.speech.layers] == [id(block) for block in V[:start]]


@pytest.mark.parametrize("layers", ["first", "last"])
def test_one_modality_takes_its_layers_alike(make_small: Callable, layers: str):
    used = slice(0, 2) if layers == "first" else slice(0, DEPTH)
    text, mel = (make_small(modality=modality, layers=layers) for modality in ("T", "A"))
    assert [id(layer) for layer in text.model.text.layers] == [id(layer) for layer in text.bert.layers[used]]
    assert [id(block) for block in mel.model.speech.layers] == [id(block) for block in list(mel.vit.vit.blocks)[used]]
    assert text.model.speech is None
    assert mel.model.text is None
    assert len(text.model.fusion.blocks) == len(mel.model.fusion.blocks) == 0


def test_first_and_last_layers_give_different_results(make_small: Callable, make_batch: Callable):
    batch = make_batch(TOKENS, FRAMES)
    first, last = (make_small(layers=layers, seed=0).model(batch) for layers in ("first", "last"))
    assert not torch.allclose(first.logits_BC, last.logits_BC)


@pytest.mark.parametrize("modality", ["T", "A", "T+A"])
def test_more_blocks_than_layers(make_small: Callable, modality: str):
    with pytest.raises(ErcError, match=r"jfm\.n_blocks = 5: the (bert|vit) of this backbone has 4 layers"):
        make_small(modality=modality, n_blocks=5)


@pytest.mark.parametrize(("modality", "other"), [("T", "vit"), ("A", "bert")])
def test_one_modality_asks_nothing_of_the_layers_of_the_other(make_small: Callable, modality: str, other: str):
    bert, vit = stacks_from_sizes()
    if other == "vit":
        vit.vit.blocks = vit.vit.blocks[:1]
    else:
        del bert.layers[1:]
    assert make_small((bert, vit), modality=modality, n_blocks=2).model.config.jfm.n_blocks == 2


# ---- frozen ----


@pytest.mark.parametrize("layers", ["first", "last"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("modality", ["T", "A", "T+A"])
def test_frozen_freezes_the_transformer_layers_and_nothing_else(
    make_small: Callable, modality: str, tied: bool, layers: str
):
    model = make_small(modality=modality, frozen=True, tied=tied, layers=layers).model
    of_layers = ("text.layers.", "speech.layers.", ".V.", ".L.", ".V_text_to_mel.", ".L_text_to_mel.")
    for name, parameter in model.named_parameters():
        is_layer = name.startswith(of_layers[:2]) or any(part in name for part in of_layers[2:])
        assert parameter.requires_grad != is_layer, name
    assert any(not parameter.requires_grad for parameter in model.parameters())


def test_frozen_layers_pass_gradients_on_and_keep_none(make_small: Callable, make_batch: Callable):
    model = make_small(frozen=True).model
    model(make_batch(TOKENS, FRAMES)).logits_BC.square().sum().backward()
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            assert parameter.grad is None, name
    # what lies behind the frozen layers learns through them
    for parameter in (
        model.text.extractor.enter.weight,
        model.speech.patches.projection.weight,
        model.fusion.blocks[0].v_JD,
    ):
        assert (parameter.grad != 0).any()


def test_nothing_is_frozen_by_default(make_small: Callable):
    assert all(parameter.requires_grad for parameter in make_small(layers="last").model.parameters())


# ---- speech that is missing ----


@pytest.mark.parametrize("frames", [[0, 0, 0], [0, 9, 30]], ids=["none has speech", "one has none"])
@pytest.mark.parametrize("switches", VARIANTS, ids=name_of)
def test_missing_speech_gives_finite_outputs_and_gradients(
    make_small: Callable, make_batch: Callable, frames: list[int], switches: dict[str, Any]
):
    # a clip may lose every patch that it has
    augmentation = Augmentation(SpecAugment(0.0, 0.0, 0), Patchout(0.9))
    model = make_small(**switches, augmentation=augmentation).model.train()
    batch = make_batch([3, 5, 2], frames)
    output = model(batch)
    for name, tensor in outputs(output).items():
        assert tensor is None or torch.isfinite(tensor).all(), name
    (output.logits_BC.square().sum() + output.features_BF.square().sum()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name


def test_what_stands_where_speech_is_missing_is_never_read(make_small: Callable, make_batch: Callable):
    model = make_small().model
    none, padded_by_garbage = make_batch([4], [0]), make_batch([4], [0], extra_frames=20, garbage=-1e9)
    assert none.mel_BFM.shape[1] == 0
    assert_same(model(padded_by_garbage), model(none))


# ---- parameters ----


def count(
    modality: str = "T+A",
    *,
    n_blocks: int = 2,
    joint_len: int = 4,
    tied: bool = True,
    layers: str = "first",
    fusion: str = "jfm",
    vit_layers: int = DEPTH,
) -> int:
    """Return the parameters of a small model, from its sizes."""
    D, W = WIDTH, EXTRACTOR_WIDTH

    def dense(inputs: int, outputs: int) -> int:
        return inputs * outputs + outputs

    def transformer(
        width: int, inner: int
    ) -> int:  # attention, feed-forward and two norms: the same in all three kinds
        return 4 * dense(width, width) + dense(width, inner) + dense(inner, width) + 2 * 2 * width

    layer = transformer(D, INNER)
    stack = (n_blocks if layers == "first" else DEPTH) * layer
    text = dense(TEXT_WIDTH, W) + EXTRACTOR_LAYERS * transformer(W, EXTRACTOR_INNER) + dense(W, D)
    mel = dense(PATCH_AREA, D) + (2 + ROWS * COLUMNS) * D + 2 * D
    if modality != "T+A":
        return stack + (text if modality == "T" else mel) + dense(D, CLASSES)
    if fusion != "jfm":
        # cfa: Q, K, V and a norm for each modality
        own = {
            "late": 2 * dense(D, CLASSES),
            "concatenate": dense(2 * D, CLASSES),
            "cfa": 2 * (3 * dense(D, D) + 2 * D) + dense(4 * D, CLASSES),
        }
        return text + mel + vit_layers * layer + own[fusion]
    joint = 2 * (joint_len * D + dense(D, D // 2) + dense(D // 2, D)) if joint_len else 0
    copies = 0 if tied or not joint_len else 2 * layer
    return text + mel + 2 * dense(D, CLASSES) + 2 * stack + n_blocks * (joint + copies)


@pytest.mark.parametrize(
    "switches", [{k: v for k, v in switches.items() if k != "streams"} for switches in VARIANTS], ids=name_of
)
def test_number_of_parameters(make_small: Callable, switches: dict[str, Any]):
    assert sum(parameter.numel() for parameter in make_small(**switches).model.parameters()) == count(**switches)


def key_bias(name: str, gradient: Tensor) -> Tensor | None:
    """Return the part of a gradient that belongs to the bias of attention's keys: it shifts every score alike, so it is 0."""
    if name.endswith("self.key.bias"):
        return gradient
    if name.endswith(("qkv.bias", "in_proj_bias")):
        return gradient.chunk(3)[1]
    return None


@pytest.mark.parametrize("switches", VARIANTS, ids=name_of)
def test_every_parameter_gets_a_gradient(make_small: Callable, make_batch: Callable, switches: dict[str, Any]):
    # the only exception in the whole model, and a mathematical one: the bias of attention's keys (key_bias)
    model = make_small(**switches).model
    batch = make_batch([6, 9, 4, 7], [30, 12, 7, 19])
    torch.nn.functional.cross_entropy(model(batch).logits_BC, batch.labels_B).backward()
    largest = max(parameter.grad.abs().max() for parameter in model.parameters())
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        of_keys = key_bias(name, parameter.grad)
        if of_keys is not None:
            assert of_keys.abs().max() < 1e-13 * largest, name
        if not name.endswith("key.bias"):
            # every row: every joint vector, every position, every output
            rows = parameter.grad.reshape(len(parameter), -1).abs().sum(dim=1)
            if name.endswith(("qkv.bias", "in_proj_bias")):
                rows = torch.cat([rows.chunk(3)[0], rows.chunk(3)[2]])
            if ".mlp" in name and ".layers.0." in name:  # behind it is a ReLU: a unit may be off for the whole batch
                assert (rows > 0).any(), name
            else:
                assert (rows > 0).all(), name


@pytest.mark.parametrize("switches", [{"layers": "last"}, {"fusion": "late"}, {"fusion": "cfa"}], ids=name_of)
def test_the_layers_of_both_streams_come_first_among_the_parameters(make_small: Callable, switches: dict[str, Any]):
    # the order in which the norm of the gradient is summed
    model = make_small(**switches).model
    names = [".".join(name.split(".")[:2]) for name, _ in model.named_parameters()]
    first = [name for name in ("text.layers", "speech.layers") if name in names]
    rest = [name for name in dict.fromkeys(names) if name not in first]
    assert list(dict.fromkeys(names)) == first + rest
    modules = [name.split(".")[0] for name in rest]
    assert modules == sorted(modules, key=("text", "speech", "fusion").index)
    assert [id(weight) for weight in model.parameters()] == [id(weight) for _, weight in model.named_parameters()]
    assert len({id(weight) for weight in model.parameters()}) == len(names)


@pytest.mark.parametrize("modality", ["T", "A", "T+A"])
def test_weights_are_drawn_for_the_text_then_for_the_speech_then_for_the_fusion(make_small: Callable, modality: str):
    # with the same seed, what is drawn before a part does not depend on what comes after it
    both, one = (make_small(modality=each, seed=3, dtype=torch.float32, fresh=True).model for each in ("T+A", modality))
    if one.text:
        assert torch.equal(one.text.extractor.enter.weight, both.text.extractor.enter.weight)
        assert torch.equal(one.text.classifier.weight, both.text.classifier.weight)
    else:
        assert not torch.equal(one.speech.classifier.weight, both.speech.classifier.weight)


# ---- padding ----


@pytest.mark.parametrize("switches", VARIANTS, ids=name_of)
def test_padding_and_the_rest_of_the_batch_never_change_a_result(
    make_small: Callable, make_batch: Callable, switches: dict[str, Any]
):
    model = make_small(**switches).model
    frames = [17, 0, 9, 3]
    with torch.no_grad():
        plain = model(make_batch(TOKENS, frames, garbage=0.0))
        assert_same(model(make_batch(TOKENS, frames, extra_tokens=11, extra_frames=13)), plain)
        assert_same(model(make_batch(TOKENS, frames, extra_tokens=1, garbage=-1e9)), plain)
        batch = make_batch(TOKENS, frames)
        for b, (tokens, length) in enumerate(zip(TOKENS, frames, strict=True)):
            one = slice(b, b + 1)
            alone = Batch(
                text_BTE=batch.text_BTE[one, :tokens],
                tokens_B=batch.tokens_B[one],
                mel_BFM=batch.mel_BFM[one, :length],
                frames_B=batch.frames_B[one],
                labels_B=batch.labels_B[one],
                index_B=batch.index_B[one],
            )
            assert_same(model(alone), plain, one)


def test_permuting_the_batch_permutes_the_logits(make_small: Callable, make_batch: Callable):
    model, batch, order = make_small().model, make_batch(TOKENS, FRAMES), torch.tensor([3, 1, 0, 2])
    permuted = Batch(**{name: tensor[order] for name, tensor in vars(batch).items()})
    with torch.no_grad():
        torch.testing.assert_close(model(permuted).logits_BC, model(batch).logits_BC[order], rtol=0, atol=1e-10)


def test_recording_gradients_does_not_change_a_result(make_small: Callable, make_batch: Callable):
    # torch's encoder layers take a path of their own where no gradient is recorded: validation takes it, training does not
    model, batch = make_small().model, make_batch(TOKENS, FRAMES)
    with torch.no_grad():
        without = model(batch)
    assert_same(without, model(batch))


def test_single_precision_is_near_double(make_small: Callable, make_batch: Callable):
    batches = [make_batch(TOKENS, FRAMES, dtype=dtype) for dtype in (torch.float32, torch.float64)]
    exact = make_small().model
    single = make_small(dtype=torch.float32).model
    single.load_state_dict(exact.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(
            single(batches[0]).logits_BC.double(), exact(batches[1]).logits_BC, rtol=0, atol=1e-4
        )


def test_dropout_acts_in_training_only(make_small: Callable, make_batch: Callable):
    model, batch = make_small().model, make_batch(TOKENS, FRAMES)
    assert torch.equal(model(batch).logits_BC, model(batch).logits_BC)
    model.train()
    first, second = model(batch), model(batch)
    assert not torch.equal(first.text_logits_BC, second.text_logits_BC)


# ---- the rest ----


def test_a_batch_moves_but_its_index_stays_on_the_cpu(make_batch: Callable):
    moved = make_batch(TOKENS, FRAMES).to(torch.device("meta"))
    assert {name: tensor.device.type for name, tensor in vars(moved).items()} == {
        "text_BTE": "meta",
        "tokens_B": "meta",
        "mel_BFM": "meta",
        "frames_B": "meta",
        "labels_B": "meta",
        "index_B": "cpu",
    }
