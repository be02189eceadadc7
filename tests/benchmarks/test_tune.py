import copy
import json

import pytest
from closure import ROOT
from made_up_features import N_MELS
from ruamel.yaml import YAML

from benchmarks import tune
from benchmarks.tune import changed, chosen, require_equal_effort
from erc_core.errors import ErcError
from erc_core.params.load import check_params
from erc_core.study.points import settings_of
from erc_core.training.settings import training_settings

TREE = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def test_a_key_without_a_dot_is_a_setting_of_the_system():
    ours = changed(TREE, "ours", {"lr": 0.5, "icl.weight": 0.25, "train.patience": 3}, "demo")
    assert ours["backbones"]["tiny"]["training"]["lr"] == 0.5
    assert ours["study"]["base"]["icl"]["weight"] == 0.25
    assert ours["train"]["patience"] == 3
    scfa = changed(TREE, "scfa", {"width": 32, "heads": 2}, "demo")
    assert settings_of(check_params(scfa), "scfa", "demo").width == 32
    assert YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8")) == TREE


def test_a_try_counts_for_the_dataset_whatever_stands_for_it():
    tree = copy.deepcopy(TREE)
    tree["backbones"]["tiny"]["training"]["datasets"] = {"iemocap": {"lr": 0.5, "warmup": 3.0}}
    params = check_params(changed(tree, "ours", {"lr": 0.125}, "iemocap_2"))
    settings = training_settings(params, "iemocap_2", tune.torch.device("cpu"))
    assert (settings.lr, settings.warmup) == (0.125, 3.0)


def test_systems_have_the_same_number_of_tries():
    assert require_equal_effort({"ours": [{}, {}], "scfa": [{}, {}], "raw ICL": [{}]})
    with pytest.raises(ErcError, match="the numbers of tries differ"):
        require_equal_effort({"ours": [{}], "scfa": [{}, {}]})
    with pytest.raises(ErcError, match="expected lists"):
        require_equal_effort([{}])
    with pytest.raises(ErcError, match=r"ours: train\.lrr\.x is no key"):
        changed(TREE, "ours", {"train.lrr.x": 1}, "demo")


def test_the_best_of_each_system_is_marked():
    rows = [
        {"dataset": "demo", "backbone": "tiny", "system": s, "val_wf1": w}
        for s, w in [("a", 0.5), ("a", 0.7), ("b", 0.1)]
    ]
    assert [row["chosen"] for row in chosen(rows)] == [False, True, True]


@pytest.mark.slow
def test_every_try_is_trained_and_no_test_label_is_seen(tmp_path, corpus, monkeypatch, capsys):
    tree = copy.deepcopy(TREE)
    tree["mel"]["n_mels"], tree["audio"]["max_seconds"], tree["train"]["epochs"] = N_MELS, 2.0, 2
    tree["parallel"]["workers"] = 1
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ERC_SCRATCH", str(tmp_path / "scratch"))
    YAML(typ="safe").dump(tree, tmp_path / "params.yaml")
    fit = tune.fit_point

    def look(params, made_up, *others):
        assert (made_up.features.labels[made_up.features.split("test")] == -1).all()
        return fit(params, made_up, *others)

    monkeypatch.setattr(tune, "fit_point", look)
    (tmp_path / "tries.yaml").write_text("ours: [{lr: 1.0e-3}]\nscfa: [{epochs: 2}]\n")
    arguments = ["tries.yaml", "--seeds=2", "--dataset=made_up", f"--results={tmp_path}"]
    assert not tune.main(arguments)
    rows = json.loads((tmp_path / "tuning.json").read_text())["tries"]
    assert [(row["system"], row["seeds"], row["chosen"]) for row in rows] in (
        [("ours", 2, True), ("scfa", 2, True)], [("scfa", 2, True), ("ours", 2, True)]
    )  # fmt: skip
    assert all(0 <= row["val_wf1"] <= 1 and len(row["epochs"]) == 2 for row in rows)
    # a second call keeps the tries of the first, and replaces the one that it makes again
    (tmp_path / "tries.yaml").write_text("ours: [{lr: 1.0e-3}, {lr: 2.0e-3}]\n")
    assert not tune.main(arguments)
    assert len(json.loads((tmp_path / "tuning.json").read_text())["tries"]) == 3
    assert "(not converged)" in capsys.readouterr().out
