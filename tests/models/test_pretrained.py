"""Pretrained weights really arrive: from folders written by transformers and timm, and never from a network."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from small_models import (
    BERT_KEY,
    BERT_SIZES,
    DEPTH,
    PATCH,
    VIT_KEY,
    VIT_SIZES,
    WIDTH,
    make_config,
    pretrained,
    randomize,
    run_bert,
    save_bert,
    save_vit,
)
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor
from transformers import AutoConfig, AutoModel, BertConfig, BertForMaskedLM, BertModel, RobertaConfig, RobertaModel

from erc_core.errors import ErcError
from erc_core.models.backbones import BertStack, VitStack, make_bert, make_vit, vit_from_architecture
from erc_core.models.classifier import UtteranceClassifier, make_classifier
from erc_core.params.backbones import PretrainedTextEncoder
from erc_core.text.encoder import make_text_encoder

TEXT_KEY = "backbones.test.text_encoder"


@pytest.fixture
def bert_folder(tmp_path: Path) -> Path:
    return save_bert(tmp_path / "bert")


@pytest.fixture
def vit_folder(tmp_path: Path) -> Path:
    return save_vit(tmp_path / "vit")


def edit_weights(folder: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})


def edit_config(folder: Path, **values: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | values), encoding="utf-8")


def assert_equal(module: torch.nn.Module, weights: dict[str, Tensor], prefix: str) -> None:
    own = module.state_dict()
    assert own
    for name, tensor in own.items():
        assert torch.equal(tensor, weights[prefix + name]), name


# ---- BERT ----


def test_bert_layers_are_those_of_the_folder(bert_folder: Path):
    bert, saved = make_bert(pretrained(bert_folder), BERT_KEY), load_file(bert_folder / "model.safetensors")
    assert len(bert.layers) == DEPTH
    for n, layer in enumerate(bert.layers):
        assert_equal(layer, saved, f"encoder.layer.{n}.")
    assert bert.architecture["hidden_size"] == WIDTH


def test_bert_layers_from_a_masked_language_model(tmp_path: Path):
    # as bert-base-uncased was published: every name begins with `bert.`, a language modelling head, no pooler
    save_bert(tmp_path, BertForMaskedLM)
    saved = load_file(tmp_path / "model.safetensors")
    assert all(name.startswith(("bert.", "cls.")) for name in saved)
    for n, layer in enumerate(make_bert(pretrained(tmp_path), BERT_KEY).layers):
        assert_equal(layer, saved, f"bert.encoder.layer.{n}.")


def test_bert_layers_under_the_names_of_the_first_release(tmp_path: Path):
    # the file of bert-base-uncased still calls the weights of its norms gamma and beta
    save_bert(tmp_path, BertForMaskedLM)
    saved = load_file(tmp_path / "model.safetensors")
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}

    def rename(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        for new_name, old_name in old.items():
            weights = {name.replace(new_name, old_name): tensor for name, tensor in weights.items()}
        return weights

    edit_weights(tmp_path, rename)
    assert "bert.encoder.layer.0.output.LayerNorm.gamma" in load_file(tmp_path / "model.safetensors")
    for n, layer in enumerate(make_bert(pretrained(tmp_path), BERT_KEY).layers):
        assert_equal(layer, saved, f"bert.encoder.layer.{n}.")


def test_bert_layers_do_what_the_whole_bert_does(bert_folder: Path):
    whole = BertModel.from_pretrained(bert_folder).eval()
    ids, mask = torch.tensor([[3, 7, 1, 9], [2, 5, 0, 0]]), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    with torch.no_grad():
        states = whole(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        x = states[0]
        for n, layer in enumerate(make_bert(pretrained(bert_folder), BERT_KEY).layers, start=1):
            x = run_bert(layer.eval(), x, mask.bool())
            torch.testing.assert_close(x[mask.bool()], states[n][mask.bool()], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_a_bert_saved_in_half_precision_is_trained_in_single(bert_folder: Path, kind: torch.dtype):
    expected = BertModel.from_pretrained(bert_folder).to(kind)
    expected.save_pretrained(bert_folder)
    for n, layer in enumerate(make_bert(pretrained(bert_folder), BERT_KEY).layers):
        assert {parameter.dtype for parameter in layer.parameters()} == {torch.float32}
        for name, parameter in layer.named_parameters():
            assert torch.equal(parameter, expected.encoder.layer[n].get_parameter(name).float()), name


# ---- ViT ----


def test_a_vit_is_that_of_the_folder(vit_folder: Path):
    vit, saved = make_vit(pretrained(vit_folder), VIT_KEY, PATCH).vit, load_file(vit_folder / "model.safetensors")
    assert len(vit.blocks) == DEPTH
    for n, block in enumerate(vit.blocks):
        assert_equal(block, saved, f"blocks.{n}.")
    assert_equal(vit.norm, saved, "norm.")
    assert_equal(vit.patch_embed, saved, "patch_embed.")
    assert torch.equal(vit.cls_token, saved["cls_token"])
    assert torch.equal(vit.pos_embed, saved["pos_embed"])


def test_a_vit_in_the_form_that_the_hub_keeps(tmp_path: Path):
    # vit_base_patch16_224's config.json has no model_args; here the architecture is one of timm's small ones
    own = {"embed_dim": 192, "depth": 12, "num_heads": 3, "img_size": 224, "patch_size": 16}
    folder = save_vit(tmp_path, "vit_tiny_patch16_224", **own)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    del config["model_args"]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    stack, saved = make_vit(pretrained(folder), VIT_KEY, 16), load_file(folder / "model.safetensors")
    assert "head.weight" in saved
    for n, block in enumerate(stack.vit.blocks):
        assert_equal(block, saved, f"blocks.{n}.")
    assert torch.equal(stack.vit.pos_embed, saved["pos_embed"])


def test_a_vit_saved_in_half_precision_is_trained_in_single(vit_folder: Path):
    edit_weights(vit_folder, lambda weights: {name: tensor.half() for name, tensor in weights.items()})
    vit = make_vit(pretrained(vit_folder), VIT_KEY, PATCH).vit
    assert {parameter.dtype for parameter in vit.parameters()} == {torch.float32}
    assert torch.equal(vit.norm.weight, load_file(vit_folder / "model.safetensors")["norm.weight"].float())


# ---- the model made of both ----


def build(bert: BertStack, vit: VitStack, **jfm: Any) -> UtteranceClassifier:
    return make_classifier(make_config(bert, vit, **jfm), bert, vit)


@pytest.mark.parametrize(("layers", "start"), [("first", 0), ("last", DEPTH - 2)])
def test_the_model_holds_what_the_folders_hold(bert_folder: Path, vit_folder: Path, layers: str, start: int):
    of_bert, of_vit = (load_file(folder / "model.safetensors") for folder in (bert_folder, vit_folder))
    model = build(
        make_bert(pretrained(bert_folder), BERT_KEY), make_vit(pretrained(vit_folder), VIT_KEY, PATCH), layers=layers
    )
    for n, block in enumerate(model.fusion.blocks):
        assert_equal(block.L, of_bert, f"encoder.layer.{start + n}.")
        assert_equal(block.V, of_vit, f"blocks.{start + n}.")
    assert_equal(model.speech.norm, of_vit, "norm.")
    patches, rows, columns = model.speech.patches, 3, 8
    kernel = of_vit["patch_embed.proj.weight"]
    torch.testing.assert_close(patches.projection.weight[:, 0].transpose(1, 2), kernel.sum(dim=1), rtol=0, atol=1e-6)
    assert torch.equal(patches.projection.bias, of_vit["patch_embed.proj.bias"])
    assert torch.equal(patches.cls_D, of_vit["cls_token"][0, 0])
    assert torch.equal(patches.cls_position_D, of_vit["pos_embed"][0, 0])
    grid = resample_abs_pos_embed(of_vit["pos_embed"], [rows, columns], old_size=[4, 4])[0, 1:]
    time_major = grid.reshape(rows, columns, WIDTH).transpose(0, 1).reshape(rows * columns, WIDTH)
    torch.testing.assert_close(patches.position_PD, time_major, rtol=0, atol=1e-6)


# ---- text encoder ----


@pytest.mark.parametrize("kind", ["roberta", "bert"])
@pytest.mark.parametrize("layer", [1, 2, DEPTH])
def test_a_text_encoder_cut_at_a_layer_gives_that_hidden_state(tmp_path: Path, kind: str, layer: int):
    config = (RobertaConfig if kind == "roberta" else BertConfig)(max_position_embeddings=20, **BERT_SIZES)
    whole = (RobertaModel if kind == "roberta" else BertModel)(config).eval()
    randomize(whole, scale=1.0)
    whole.save_pretrained(tmp_path)
    params = PretrainedTextEncoder(source="pretrained", name=str(tmp_path), layer=layer)
    encoder = make_text_encoder(params, TEXT_KEY, vocab_size=0).eval()
    assert encoder.config.num_hidden_layers == len(encoder.encoder.layer) == layer
    ids, mask = torch.tensor([[0, 7, 9, 2], [0, 5, 2, 1]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    with torch.no_grad():
        states = whole(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        found = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(found, states[layer], rtol=0, atol=1e-5)
    others = [state for n, state in enumerate(states) if n != layer]
    assert not any(torch.allclose(found, other, atol=1e-2) for other in others)


def test_a_text_encoder_layer_beyond_the_model(bert_folder: Path):
    params = PretrainedTextEncoder(source="pretrained", name=str(bert_folder), layer=DEPTH + 1)
    with pytest.raises(ErcError) as caught:
        make_text_encoder(params, TEXT_KEY, vocab_size=0)
    assert str(caught.value) == f"{TEXT_KEY}.layer = 5: {str(bert_folder)!r} has layers 1 to 4"


# ---- what does not fit ----


def test_patches_of_another_size(tmp_path: Path):
    folder = save_vit(tmp_path, patch_size=2)
    with pytest.raises(ErcError) as caught:
        make_vit(pretrained(folder), VIT_KEY, PATCH)
    expected = f"{VIT_KEY}.name = {str(folder)!r}: its patches are 2 x 2, backbones.test.patch is 4"
    assert str(caught.value) == expected


def test_a_bert_and_a_vit_of_different_width(bert_folder: Path, tmp_path: Path):
    vit = make_vit(pretrained(save_vit(tmp_path / "wide", embed_dim=24)), VIT_KEY, PATCH)
    with pytest.raises(ErcError, match="the ViT is 24 wide and the BERT 16: joint vectors need one width"):
        build(make_bert(pretrained(bert_folder), BERT_KEY), vit)


def test_more_blocks_than_the_folder_has_layers(bert_folder: Path, vit_folder: Path):
    bert, vit = make_bert(pretrained(bert_folder), BERT_KEY), make_vit(pretrained(vit_folder), VIT_KEY, PATCH)
    with pytest.raises(ErcError, match=r"jfm\.n_blocks = 5: the bert of this backbone has 4 layers"):
        build(bert, vit, n_blocks=5)


def test_a_roberta_is_not_a_bert(tmp_path: Path):
    RobertaModel(RobertaConfig(**BERT_SIZES)).save_pretrained(tmp_path)
    with pytest.raises(ErcError, match=r"bert\.name = .*: holds a RobertaModel; the fusion needs a BERT"):
        make_bert(pretrained(tmp_path), BERT_KEY)


@pytest.mark.parametrize(
    ("architecture", "model_args"),
    [
        ("vit_base_patch16_siglip_224", {}),  # no CLS
        ("vit_base_patch16_224", {"pos_embed": "none"}),
        ("vit_base_patch16_224", {"no_embed_class": True}),  # the CLS has no position
        ("vit_base_patch16_224", {"reg_tokens": 4}),
        ("vit_base_patch16_224", {"pre_norm": True}),  # a norm before the first block, as CLIP's have
        ("vit_base_patch16_224", {"global_pool": "avg"}),  # no final norm on the CLS
        ("vit_small_patch16_18x2_224", {}),  # blocks side by side
    ],
)
def test_a_vit_that_is_built_otherwise(tmp_path: Path, architecture: str, model_args: dict[str, Any]):
    folder = save_vit(tmp_path, architecture, **model_args)
    with pytest.raises(ErcError) as caught:
        make_vit(pretrained(folder), VIT_KEY, PATCH)
    assert str(caught.value).startswith(f"{VIT_KEY}.name = {str(folder)!r}: ")
    assert "\n" not in str(caught.value)


def test_a_repository_of_timms_keeps_its_sizes(monkeypatch: pytest.MonkeyPatch, vit_folder: Path):
    # `hf-hub:owner/name`, with the hub played by a folder
    folder, name = vit_folder, "hf-hub:owner/small"
    create, parse = timm.create_model, timm.models._hub.load_model_config_from_path
    monkeypatch.setattr(
        timm, "create_model", lambda source, **more: create(source.replace(name, f"local-dir:{folder}"), **more)
    )
    monkeypatch.setattr(timm.models, "load_model_config_from_hf", lambda _: parse(folder))
    stack = make_vit(pretrained(name), VIT_KEY, PATCH)
    again = vit_from_architecture(json.loads(json.dumps(stack.architecture))).vit
    assert {n: w.shape for n, w in again.blocks.state_dict().items()} == {
        n: w.shape for n, w in stack.vit.blocks.state_dict().items()
    }


# ---- folders that are damaged ----


def truncate(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def overwrite(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 1000)


def remove_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def remove_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def break_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"architecture": ', encoding="utf-8")


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def rename_a_layer(folder: Path) -> None:
    """Leave the second layer without weights, under names that nothing asks for."""
    moved = {"encoder.layer.1.": "encoder.layer.7.", "blocks.1.": "blocks.7."}

    def rename(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        for old, new in moved.items():
            weights = {name.replace(old, new): tensor for name, tensor in weights.items()}
        return weights

    edit_weights(folder, rename)


DAMAGES = [truncate, overwrite, remove_weights, remove_config, break_config, empty, rename_a_layer]


def assert_one_clear_message(caught: pytest.ExceptionInfo[ErcError], key: str, folder: Path) -> None:
    message = str(caught.value)
    assert message.startswith(f"{key}.name = {str(folder)!r}: "), message
    assert "\n" not in message
    assert "hf download" not in message  # the folder is there: fetching is not what mends it
    assert len(message) < 500 + len(str(folder))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_bert_folder(bert_folder: Path, damage: Callable[[Path], None]):
    damage(bert_folder)
    with pytest.raises(ErcError) as caught:
        make_bert(pretrained(bert_folder), BERT_KEY)
    assert_one_clear_message(caught, BERT_KEY, bert_folder)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_vit_folder(vit_folder: Path, damage: Callable[[Path], None]):
    damage(vit_folder)
    with pytest.raises(ErcError) as caught:
        make_vit(pretrained(vit_folder), VIT_KEY, PATCH)
    assert_one_clear_message(caught, VIT_KEY, vit_folder)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_text_encoder_folder(bert_folder: Path, damage: Callable[[Path], None]):
    damage(bert_folder)
    with pytest.raises(ErcError) as caught:
        make_text_encoder(
            PretrainedTextEncoder(source="pretrained", name=str(bert_folder), layer=2), TEXT_KEY, vocab_size=0
        )
    assert_one_clear_message(caught, TEXT_KEY, bert_folder)


def test_a_bert_whose_weights_are_of_another_size(bert_folder: Path):
    edit_config(bert_folder, hidden_size=24)
    with pytest.raises(ErcError) as caught:
        make_bert(pretrained(bert_folder), BERT_KEY)
    assert_one_clear_message(caught, BERT_KEY, bert_folder)


def test_a_vit_whose_weights_are_of_another_size(vit_folder: Path):
    edit_config(vit_folder, model_args={**VIT_SIZES, "embed_dim": 24})
    with pytest.raises(ErcError) as caught:
        make_vit(pretrained(vit_folder), VIT_KEY, PATCH)
    assert_one_clear_message(caught, VIT_KEY, vit_folder)


# ---- no hub within reach ----


def no_hub(*_args: object, **_kwargs: object) -> None:
    raise OSError("We couldn't connect to 'https://huggingface.co'\nto load the files.")


@pytest.mark.parametrize(
    ("load", "key", "name", "repository"),
    [
        (lambda name: make_bert(pretrained(name), BERT_KEY), BERT_KEY, "bert-base-uncased", "bert-base-uncased"),
        (
            lambda name: make_vit(pretrained(name), VIT_KEY, PATCH),
            VIT_KEY,
            "vit_base_patch16_224",
            "timm/vit_base_patch16_224.augreg2_in21k_ft_in1k",
        ),
        (
            lambda name: make_text_encoder(
                PretrainedTextEncoder(source="pretrained", name=name, layer=12), TEXT_KEY, vocab_size=0
            ),
            TEXT_KEY,
            "roberta-base",
            "roberta-base",
        ),
    ],
    ids=["bert", "vit", "text encoder"],
)
def test_no_hub_within_reach(
    monkeypatch: pytest.MonkeyPatch, load: Callable[[str], Any], key: str, name: str, repository: str
):
    for owner, method in ((AutoModel, "from_pretrained"), (AutoConfig, "from_pretrained"), (timm, "create_model")):
        monkeypatch.setattr(owner, method, no_hub)
    with pytest.raises(ErcError) as caught:
        load(name)
    message = str(caught.value)
    assert message.startswith(f"{key}.name = {name!r}: ")
    assert f"`hf download {repository} --local-dir models/{name}`" in message
    assert f"set {key}.name to its path" in message
    assert "`backbone: tiny`" in message
    assert "\n" not in message


def test_the_command_that_fetches_names_the_weights_that_timm_would_take():
    # the name in params.yaml has no tag: timm takes its default, and `hf download` has to fetch the same
    assert timm.models.get_pretrained_cfg("vit_base_patch16_224").tag == "augreg2_in21k_ft_in1k"
