import pytest
import torch
from closure import ROOT
from ruamel.yaml import YAML

from erc_core.inference.predict import resolve_precision
from erc_core.params.load import check_params
from erc_core.training.settings import training_settings

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def tree():
    return YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def test_auto_takes_the_values_of_the_backbone(tree):
    def resolved():
        return training_settings(check_params(tree), "demo", CPU).model_dump()

    of_backbone = {k: v for k, v in tree["backbones"]["tiny"]["training"].items() if k != "datasets"}
    tree["train"] |= dict.fromkeys(of_backbone, "auto")
    assert {name: resolved()[name] for name in of_backbone} == of_backbone
    own = {"lr": 0.5, "epochs": 3, "schedule": "linear", "warmup": 0.25, "patchout": 0.1, "freq_mask": 0.3, "masks": 5}
    tree["train"] |= own
    assert {name: resolved()[name] for name in own} == own
    assert resolved()["time_mask"] == of_backbone["time_mask"]


def test_auto_takes_what_a_dataset_has_of_its_own(tree):
    tree["backbones"]["tiny"]["training"]["datasets"] = {"iemocap": {"lr": 0.5}}
    lr = {name: training_settings(check_params(tree), name, CPU).lr for name in ("demo", "iemocap", "iemocap_5")}
    assert lr == {"demo": tree["backbones"]["tiny"]["training"]["lr"], "iemocap": 0.5, "iemocap_5": 0.5}
    tree["train"]["lr"] = 0.25
    assert training_settings(check_params(tree), "iemocap", CPU).lr == 0.25


def test_nothing_that_is_handed_on_says_auto(tree):
    values = training_settings(check_params(tree), "demo", CPU).model_dump()
    assert "auto" not in values.values()
    for name in ("seed", "optimizer", "weight_decay", "batch_size", "accumulate", "masks", "grad_clip"):
        assert values[name] == tree["train"][name]


@pytest.mark.parametrize("has_bfloat16", [False, True])
def test_auto_precision_is_what_the_device_has(monkeypatch, has_bfloat16):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_bfloat16)
    assert resolve_precision("auto", CPU) == "float32"
    assert resolve_precision("auto", GPU) == ("bfloat16" if has_bfloat16 else "float32")
    for precision in ("float32", "bfloat16"):
        assert resolve_precision(precision, CPU) == resolve_precision(precision, GPU) == precision
