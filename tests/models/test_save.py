"""A trained model's folder: what is written gives the same logits when read, and needs nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_models import (
    LABELS,
    N_MELS,
    PATCH,
    make_small,
    pretrained,
    save_bert,
    save_vit,
    stacks_from_sizes,
)

from erc_core.errors import ErcError
from erc_core.models.backbones import BertStack, VitStack, make_bert, make_vit
from erc_core.models.batch import Batch
from erc_core.models.classifier import UtteranceClassifier
from erc_core.models.save import load_model, save_model
from erc_core.store.checksums import seal_folder

DESCRIPTION = {"dataset": "demo", "features": {"mel": {"n_mels": N_MELS}}}
VARIANTS = [
    {},
    {"modality": "T"},
    {"modality": "A"},
    {"tied": False, "layers": "last"},
    {"joint_len": 0, "streams": "literal"},
    {"frozen": True},
    {"fusion": "late", "frozen": True},
    {"fusion": "cfa"},
    {"fusion": "concatenate", "vit_layers": 2},
]


def sized_stacks(_: Path) -> tuple[BertStack, VitStack]:
    return stacks_from_sizes()


def pretrained_stacks(root: Path) -> tuple[BertStack, VitStack]:
    """Return stacks from folders that are gone by the time anything is done with them."""
    bert, vit = save_bert(root / "bert", hidden_act="relu"), save_vit(root / "vit", init_values=0.1)
    stacks = make_bert(pretrained(bert), "bert"), make_vit(pretrained(vit), "vit", PATCH)
    for folder in (bert, vit):
        shutil.rmtree(folder)
    return stacks


def build(stacks: tuple[BertStack, VitStack], **switches: Any) -> UtteranceClassifier:
    return make_small(stacks, dtype=torch.float32, **switches).model


@pytest.fixture
def batch(make_batch: Callable) -> Batch:
    return make_batch([6, 2, 4], [30, 0, 17], dtype=torch.float32)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    model = build(stacks_from_sizes())
    save_model(tmp_path / "model", model, DESCRIPTION, [])
    return tmp_path / "model"


@pytest.mark.parametrize("switches", VARIANTS, ids=lambda switches: "-".join(map(str, switches.values())) or "default")
@pytest.mark.parametrize("make_stacks", [sized_stacks, pretrained_stacks])
def test_a_model_read_back_gives_identical_logits(
    tmp_path: Path, batch: Batch, make_stacks: Callable, switches: dict[str, Any]
):
    model = build(make_stacks(tmp_path), **switches)
    save_model(tmp_path / "model", model, DESCRIPTION, [])
    torch.manual_seed(1)
    read = load_model(tmp_path / "model").model
    assert type(read.fusion) is type(model.fusion)
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
    assert {file.name for file in saved.rglob("*")} == {"model.safetensors", "config.json", "checksums.json"}
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
    patches = load_model(saved).model.speech.patches
    torch.testing.assert_close(patches.mean, torch.linspace(-1, 1, N_MELS))
    torch.testing.assert_close(patches.std, torch.linspace(0.5, 2, N_MELS))


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
    save_model(tmp_path / "model", model, DESCRIPTION, [full, empty])
    assert {str(path.relative_to(saved)) for path in saved.rglob("*")} == {
        "model.safetensors",
        "config.json",
        "checksums.json",
        "tokenizer",
        "tokenizer/tokenizer.json",
    }


def test_a_save_that_fails_leaves_the_folder_before_it(saved: Path, batch: Batch):
    read = load_model(saved).model
    before = read(batch).logits_BC
    other = make_small(seed=1, dtype=torch.float32).model
    with pytest.raises(ValueError, match="JSON"):
        save_model(saved, other, {"loss": float("nan")}, [])
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


def other_fusion(folder: Path) -> None:
    edit_config(folder, lambda content: content["model"]["model"].update(fusion="late"))


def a_fusion_of_one_stream(folder: Path) -> None:
    edit_config(folder, lambda content: content["model"]["model"].update(fusion="cfa", modality="T"))


def from_before_there_were_other_fusions(folder: Path) -> None:
    edit_config(folder, lambda content: content["model"].update(model={"modality": "T+A"}))


def with_flat_names_of_weights(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({name.replace("text.", "", 1): w for name, w in weights.items()}, folder / "model.safetensors")


def untie(folder: Path) -> None:
    edit_config(folder, lambda content: content["model"]["jfm"].update(tied=False))


def one_weight_less(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["speech.norm.weight"]
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
    other_fusion,
    a_fusion_of_one_stream,
    from_before_there_were_other_fusions,
    with_flat_names_of_weights,
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
    assert message.endswith(f"; run `python -m erc_core.run.mend {saved}`, then `dvc repro`")
    assert "\n" not in message
    assert len(message) < 450 + 2 * len(str(saved))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(saved: Path, name: str):
    (saved / name).unlink()
    with pytest.raises(ErcError) as caught:
        load_model(saved)
    assert str(caught.value) == f"{saved / name}: not found; the stage train makes it: run `dvc repro`"


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(ErcError, match="not found; the stage train makes it: run `dvc repro`"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda model: model["bert"].update(num_hidden_layers=10**9), "num_hidden_layers = 1000000000: allowed is"),
        (lambda model: model["bert"].update(intermediate_size=10**12), "size mismatch"),
        (lambda model: model["vit"]["sizes"].update(depth=10**9), "depth = 1000000000: allowed is 1 to 200"),
        (lambda model: model.update(vit={"timm": "hf-hub:timm/vit_tiny"}), "no architecture that timm can make"),
        (
            lambda model: model.update(vit={"timm": "vit_tiny_patch16_224", "args": {"checkpoint_path": "x.pt"}}),
            "no architecture that timm can make",
        ),
    ],
)
def test_a_configuration_asks_for_no_more_than_its_weights_and_no_network(saved: Path, change: Callable, told: str):
    edit_config(saved, lambda content: change(content["model"]))
    with pytest.raises(ErcError, match=told):
        load_model(saved)


def test_a_flipped_bit_in_the_weights_is_told(saved: Path):
    file = saved / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-4] ^= 1
    file.write_bytes(content)
    with pytest.raises(ErcError, match=r"model\.safetensors: damaged \(its checksum"):
        load_model(saved)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_is_refused_though_its_checksum_is_right(saved: Path, value: float):
    weights = load_file(saved / "model.safetensors")
    weights["speech.norm.weight"][0] = value
    save_file(weights, saved / "model.safetensors")
    seal_folder(saved)
    with pytest.raises(
        ErcError, match=r"a weight is not finite.*run `python -m erc_core\.run\.mend .*`, then `dvc repro`$"
    ):
        load_model(saved)


def test_the_temperature_of_the_probabilities_is_read_back(tmp_path: Path):
    save_model(
        tmp_path / "model", build(stacks_from_sizes()), DESCRIPTION | {"calibration": {"temperature": 1.5, "n": 9}}, []
    )
    assert load_model(tmp_path / "model").temperature == 1.5


@pytest.mark.parametrize(
    ("calibration", "found"),
    [
        (None, "missing"),
        ({}, "missing"),
        (1.5, "missing"),
        ({"temperature": 0}, "0, which is no positive number of ordinary size"),
        ({"temperature": -1.0}, "-1.0, which is no positive number of ordinary size"),
        ({"temperature": True}, "True, which is no positive number of ordinary size"),
        ({"temperature": "1.5"}, "'1.5', which is no positive number of ordinary size"),
        ({"temperature": float("inf")}, "inf, which is no positive number of ordinary size"),
        ({"temperature": 10**400}, f"1{'0' * 39}, which is no positive number of ordinary size"),
        ({"temperature": 1e-320}, "1e-320, which is no positive number of ordinary size"),
        ({"temperature": float("nan")}, "nan, which is no positive number of ordinary size"),
    ],
)
def test_a_model_without_a_temperature_loads_and_says_what_to_do_when_it_is_asked_for(
    saved: Path, calibration: Any, found: str
):
    edit_config(saved, lambda content: content.update({"calibration": calibration}))
    seal_folder(saved)
    read = load_model(saved)
    with pytest.raises(ErcError) as caught:
        _ = read.temperature
    message = str(caught.value)
    assert message.startswith(f"{saved / 'config.json'}: calibration.temperature is {found}; ")
    assert message.endswith("run `dvc repro`, which trains the model again")
    assert "\n" not in message


# ---- folders that were handed on ----


def test_a_card_and_what_the_hub_adds_may_lie_beside_and_be_edited(saved: Path):
    (saved / "README.md").write_text("# A model\n", encoding="utf-8")
    (saved / ".gitattributes").write_text("*.safetensors filter=lfs\n", encoding="utf-8")
    inner = saved / ".cache" / "huggingface" / "download"
    inner.mkdir(parents=True)
    (inner / "config.json.metadata").touch()
    load_model(saved)
    (saved / "README.md").write_text("# Another text\n", encoding="utf-8")
    load_model(saved)


@pytest.mark.parametrize("name", ["model.py", "pytorch_model.bin", ".git/config", "tokenizer/README.md", "readme.md"])
def test_nothing_else_may_lie_beside(saved: Path, name: str):
    (saved / name).parent.mkdir(exist_ok=True)
    (saved / name).touch()
    with pytest.raises(ErcError, match=rf"{name}: not among the checksums"):
        load_model(saved)


def test_a_snapshot_of_the_hub_whose_files_are_links_is_read(saved: Path, batch: Batch, tmp_path: Path):
    """As ~/.cache/huggingface/hub/models--USER--NAME has them: snapshots/COMMIT/FILE -> ../../blobs/HASH."""
    expected = load_model(saved).model(batch).logits_BC
    repository = tmp_path / "models--anna--emotions"
    snapshot, blobs = repository / "snapshots" / "abc", repository / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (saved / "README.md").touch()
    for file in saved.iterdir():
        file.rename(blobs / f"hash-of-{file.name}")
        (snapshot / file.name).symlink_to(Path("../../blobs") / f"hash-of-{file.name}")
    assert torch.equal(load_model(snapshot).model(batch).logits_BC, expected)
