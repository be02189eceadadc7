"""Other weights under the same path are another input: data/weights.json says so to DVC."""

import json
import shutil
from pathlib import Path

from closure import ROOT

from erc_core.params.load import load_params
from stages.weights import main


def recorded(params) -> dict:
    main(params)
    return json.loads(Path("data/weights.json").read_text(encoding="utf-8"))


def test_the_record_changes_with_the_files_of_the_chosen_backbone_alone(tmp_path, monkeypatch):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    tiny = load_params()
    paper = tiny.backbones["paper"]
    bert = paper.bert.model_copy(update={"name": "models/bert"})
    backbones = tiny.backbones | {"paper": paper.model_copy(update={"bert": bert})}
    params = tiny.model_copy(update={"backbone": "paper", "backbones": backbones})
    weights = tmp_path / "models/bert/model.safetensors"
    (tmp_path / "models/bert/.cache").mkdir(parents=True)
    (tmp_path / "models/other").mkdir()
    weights.write_bytes(b"one")
    first = recorded(params)
    assert first.keys() == {"models/bert"}  # what is on the hub has no folder
    assert first["models/bert"].keys() == {"model.safetensors"}
    (tmp_path / "models/bert/.cache/download").write_text("today")
    (tmp_path / "models/other/model.safetensors").write_bytes(b"other")
    assert recorded(params) == first
    weights.write_bytes(b"two")
    assert recorded(params) != first
    assert recorded(tiny) == {}
