"""A trained model's folder: what is written gives the same logits when read, and needs nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.models import save_for_hf
from transformers import BertConfig, BertModel

from erc_core.errors import ErcError
from erc_core.models.classifier import Batch, JFMClassifier
from erc_core.models.config import ModelConfig
from erc_core.models.save import load_model, save_model
from erc_core.models.transformers import BertStack, VitStack, make_bert, make_vit
from erc_core.params.backbones import ExtractorParams, Pretrained, TransformerSizes
from erc_core.params.model import JFMParams, ModelParams

LABELS = ["neutral", "joy", "wütend"]
DESCRIPTION = {"dataset": "demo", "features": {"mel": {"n_mels": 20}}}
VARIANTS = [
    {},
    {"modality": "T"},
    {"modality": "A"},
    {"tied": False, "layers": "last"},
    {"joint_len": 0, "streams": "literal"},
    {"frozen": True},
]


def tiny_stacks(_: Path) -> tuple[BertStack, VitStack]:
    sizes = TransformerSizes(source="config", width=16, depth=3, heads=2, mlp_ratio=1.5)
    return make_bert(sizes, "backbones.tiny.bert"), make_vit(sizes, "backbones.tiny.vit", 16)


def pretrained_stacks(root: Path) -> tuple[BertStack, VitStack]:
    """Return stacks from folders that are gone by the time anything is done with them."""
    config = BertConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=24,
        hidden_act="relu",
    )
    BertModel(config).save_pretrained(root / "bert")
    sizes = {"embed_dim": 16, "depth": 3, "num_heads": 2, "mlp_ratio": 2.0, "init_values": 0.1}
    vit = timm.create_model("vit_base_patch16_224", pretrained=False, img_size=64, **sizes)
    save_for_hf(vit, str(root / "vit"), safe_serialization=True, model_args={"img_size": 64, **sizes})
    stacks = (
        make_bert(Pretrained(source="pretrained", name=str(root / "bert")), "backbones.paper.bert"),
        make_vit(Pretrained(source="pretrained", name=str(root / "vit")), "backbones.paper.vit", 16),
    )
    for name in ("bert", "vit"):
        shutil.rmtree(root / name)
    return stacks


def build(stacks: tuple[BertStack, VitStack], *, modality: str = "T+A", **jfm: Any) -> JFMClassifier:
    switches = {
        "n_blocks": 2,
        "joint_len": 4,
        "joint_init_std": 0.02,
        "streams": "aligned",
        "layers": "first",
        "tied": True,
        "frozen": False,
    }
    config = ModelConfig(
        labels=LABELS,
        text_width=12,
        n_mels=20,
        max_frames=50,
        model=ModelParams(modality=modality),
        jfm=JFMParams(**(switches | jfm)),
        extractor=ExtractorParams(layers=1, heads=2, width=8, mlp_ratio=2.0, dropout=0.1),
        bert=stacks[0].architecture,
        vit=stacks[1].architecture,
    )
    model = JFMClassifier(config, *stacks)
    with torch.no_grad():  # as trained: no weight is what it was at the start
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    if model.has_mel:
        model.patches.set_statistics(torch.linspace(-9, -2, 20), torch.linspace(0.5, 4, 20))
    return model.eval()


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(
        text_BTE=torch.randn(3, 6, 12, generator=generator),
        tokens_B=torch.tensor([6, 2, 4]),
        mel_BFM=torch.randn(3, 50, 20, generator=generator),
        frames_B=torch.tensor([50, 0, 17]),
        labels_B=torch.tensor([0, 1, 2]),
        index_B=torch.tensor([0, 1, 2]),
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = build(tiny_stacks(tmp_path))
    save_model(tmp_path / "model", model.config, model.state_dict(), DESCRIPTION, [])
    return tmp_path / "model"


@pytest.mark.parametrize("switches", VARIANTS, ids=lambda switches: "-".join(map(str, switches.values())) or "default")
@pytest.mark.parametrize("make_stacks", [tiny_stacks, pretrained_stacks])
def test_a_model_read_back_gives_identical_logits(
    tmp_path: Path, batch: Batch, make_stacks: Callable, switches: dict[str, Any]
):
    torch.manual_seed(0)
    model = build(make_stacks(tmp_path), **switches)
    save_model(tmp_path / "model", model.config, model.state_dict(), DESCRIPTION, [])
    torch.manual_seed(1)
    read = load_model(tmp_path / "model").model
    assert not read.training
    with torch.no_grad():
        expected, found = model(batch), read(batch)
    for name in ("logits_BC", "text_logits_BC", "mel_logits_BC", "features_BF"):
        before, after = getattr(expected, name), getattr(found, name)
        assert (before is None) == (after is None)
        assert before is None or torch.equal(before, after), name
    assert read.config.model_dump(mode="json") == json.loads(json.dumps(model.config.model_dump(mode="json")))
    assert [parameter.requires_grad for parameter in read.parameters()] == [
        parameter.requires_grad for parameter in model.parameters()
    ]


def test_the_folder_has_weights_and_json_and_no_pickle(saved: Path):
    assert {file.name for file in saved.rglob("*")} == {"model.safetensors", "config.json"}
    for file in saved.iterdir():
        start = file.read_bytes()[:16]
        # neither a pickle (protocol 2 and later begin with 0x80) nor the zip that torch.save writes
        assert not start.startswith((b"\x80", b"PK"))
    load_file(saved / "model.safetensors")
    json.loads((saved / "config.json").read_text(encoding="utf-8"))


def test_labels_and_description_are_kept(saved: Path):
    read = load_model(saved)
    assert read.model.config.labels == LABELS
    assert {name: read.description[name] for name in DESCRIPTION} == DESCRIPTION
    assert json.loads((saved / "config.json").read_text(encoding="utf-8"))["model"]["labels"] == LABELS


def test_mel_statistics_travel_with_the_weights(saved: Path):
    patches = load_model(saved).model.patches
    torch.testing.assert_close(patches.mean, torch.linspace(-9, -2, 20))
    torch.testing.assert_close(patches.std, torch.linspace(0.5, 4, 20))


def test_a_folder_can_be_moved(saved: Path, tmp_path: Path, batch: Batch):
    before = load_model(saved).model(batch).logits_BC
    saved.rename(tmp_path / "elsewhere")
    assert torch.equal(load_model(tmp_path / "elsewhere").model(batch).logits_BC, before)


def test_extras_are_copied_and_empty_ones_left_out(saved: Path, tmp_path: Path):
    model = load_model(saved).model
    full, empty = tmp_path / "tokenizer", tmp_path / "text_encoder"
    for folder in (full, empty):
        folder.mkdir()
    (full / "tokenizer.json").write_text("{}", encoding="utf-8")
    save_model(tmp_path / "model", model.config, model.state_dict(), DESCRIPTION, [full, empty])
    assert {str(path.relative_to(saved)) for path in saved.rglob("*")} == {
        "model.safetensors",
        "config.json",
        "tokenizer",
        "tokenizer/tokenizer.json",
    }


def test_a_save_that_fails_leaves_the_folder_before_it(saved: Path, batch: Batch):
    read = load_model(saved).model
    before = read(batch).logits_BC
    other = {name: torch.zeros_like(tensor) for name, tensor in read.state_dict().items()}
    with pytest.raises(ValueError, match="JSON"):
        save_model(saved, read.config, other, {"loss": float("nan")}, [])
    assert torch.equal(load_model(saved).model(batch).logits_BC, before)
    assert [file.name for file in saved.parent.iterdir()] == ["model"]


# ---- folders that are damaged ----


def edit_config(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    file = folder / "config.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    changed = change(content)
    file.write_text(json.dumps(content if changed is None else changed), encoding="utf-8")


def truncate(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def empty_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def bad_json(folder: Path) -> None:
    (folder / "config.json").write_text('{"model": {', encoding="utf-8")


def bad_bytes(folder: Path) -> None:
    (folder / "config.json").write_bytes(b'{"model": "\xff"}')


def no_model(folder: Path) -> None:
    edit_config(folder, lambda content: {"dataset": content["dataset"]})


def not_a_mapping(folder: Path) -> None:
    edit_config(folder, lambda _: [1, 2])


def unknown_key(folder: Path) -> None:
    edit_config(folder, lambda content: content["model"].update(dropout=0.5))


def bad_value(folder: Path) -> None:
    edit_config(folder, lambda content: content["model"]["jfm"].update(streams="both"))


def no_sizes(folder: Path) -> None:
    edit_config(folder, lambda content: content["model"].update(vit={}))


def bad_sizes(folder: Path) -> None:
    edit_config(folder, lambda content: content["model"]["vit"].update(sizes=None))


def odd_heads(folder: Path) -> None:
    edit_config(folder, lambda content: content["model"]["vit"]["sizes"].update(heads=3))


def unknown_architecture(folder: Path) -> None:
    edit_config(folder, lambda content: content["model"].update(vit={"timm": "vit_of_nobody"}))


def other_sizes(folder: Path) -> None:
    edit_config(folder, lambda content: content["model"].update(text_width=13))


def other_labels(folder: Path) -> None:
    edit_config(folder, lambda content: content["model"].update(labels=["a", "b"]))


def other_joint_len(folder: Path) -> None:
    edit_config(folder, lambda content: content["model"]["jfm"].update(joint_len=8))


def too_many_blocks(folder: Path) -> None:
    edit_config(folder, lambda content: content["model"]["jfm"].update(n_blocks=9))


def untie(folder: Path) -> None:
    edit_config(folder, lambda content: content["model"]["jfm"].update(tied=False))


def one_weight_less(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["mel_norm.weight"]
    save_file(weights, folder / "model.safetensors")


def one_weight_more(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(weights | {"head.weight": torch.zeros(1)}, folder / "model.safetensors")


DAMAGES = [
    truncate,
    empty_weights,
    bad_json,
    bad_bytes,
    no_model,
    not_a_mapping,
    unknown_key,
    bad_value,
    no_sizes,
    bad_sizes,
    odd_heads,
    unknown_architecture,
    other_sizes,
    other_labels,
    other_joint_len,
    too_many_blocks,
    untie,
    one_weight_less,
    one_weight_more,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_one_clear_error(saved: Path, damage: Callable[[Path], None]):
    damage(saved)
    with pytest.raises(ErcError) as caught:
        load_model(saved)
    message = str(caught.value)
    assert message.startswith(f"{saved}: not a model of this project, or damaged (")
    assert message.endswith("; run `dvc repro`")
    assert "\n" not in message
    assert len(message) < 400 + len(str(saved))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(saved: Path, name: str):
    (saved / name).unlink()
    with pytest.raises(ErcError) as caught:
        load_model(saved)
    assert str(caught.value) == f"{saved / name}: not found; the stage train makes it: run `dvc repro`"


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(ErcError, match="not found; the stage train makes it: run `dvc repro`"):
        load_model(tmp_path / "model")
