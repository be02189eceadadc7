import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from closure import ROOT, closure
from ruamel.yaml import YAML

from erc_core.errors import ErcError
from erc_core.evaluation.folds import fold_table, read_scores, write_folds
from erc_core.params.load import load_params
from stages import folds as stage

WF1 = {1: 0.61, 2: 0.64, 3: 0.58, 4: 0.6, 5: 0.63}

# Stands for dvc: does to the workspace what `dvc exp run` does, and notes how it was called
FAKE_DVC = f"""#!{sys.executable}
import json, os, pathlib, re, sys
log = pathlib.Path("calls.txt")
arguments = sys.argv[1:]
with log.open("a") as file:
    file.write(" ".join(arguments) + "\\n")
if arguments[:2] == ["exp", "list"]:
    print("other\\niemocap-fold-2")
if arguments[:2] == ["exp", "run"]:
    fold = int(arguments[arguments.index("-S") + 1].rpartition("=")[2])
    if str(fold) == os.environ.get("FAIL_AT"):
        sys.exit(255)
    params = pathlib.Path("params.yaml")
    params.write_text(re.sub(r"fold: \\d", f"fold: {{fold}}", params.read_text()))
    if str(fold) == os.environ.get("EDIT_AT"):
        params.write_text(params.read_text().replace("patience: 8", "patience: 9"))
    pathlib.Path("dvc.lock").write_text(f"fold {{fold}}")
    data, reports = pathlib.Path("data/iemocap"), pathlib.Path("reports/iemocap")
    data.mkdir(parents=True, exist_ok=True)
    reports.mkdir(parents=True, exist_ok=True)
    made = 9 if str(fold) == os.environ.get("STALE_AT") else fold
    (data / "ingest.json").write_text(json.dumps({{"ingest": {{"fold": made}}}}))
    wf1 = {WF1}[fold]
    metrics = {{"n": 1000 + fold, "wf1": wf1, "acc": wf1 - 0.01, "macro_f1": wf1 - 0.1, "wf1_low": None}}
    (reports / "metrics.json").write_text(json.dumps(metrics))
    (reports / "new.csv").write_text("made by the run")
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dvc").write_text(FAKE_DVC, encoding="utf-8")
    (programs / "dvc").chmod(0o755)
    folder = tmp_path / "project"
    (folder / "reports/iemocap").mkdir(parents=True)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    yaml = YAML()
    tree = yaml.load(text)
    tree["datasets"] = ["demo", "iemocap"]
    tree["ingest"]["iemocap"]["fold"] = 3
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(tree, file)
    (folder / "dvc.lock").write_text("as it was: evaluate@iemocap", encoding="utf-8")
    (folder / "reports/iemocap/metrics.json").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return folder


def snapshot(folder: Path) -> dict[str, bytes]:
    paths = [folder / "params.yaml", folder / "dvc.lock", *(folder / "reports").rglob("*")]
    return {path.name: path.read_bytes() for path in paths if path.is_file()}


def calls(folder: Path) -> list[str]:
    return (folder / "calls.txt").read_text(encoding="utf-8").splitlines()


def run(dataset="iemocap"):
    stage.main(load_params(), dataset)


def test_mean_and_sd_are_numpys():
    scores = {k: {"n": 10.0 * k, "wf1": v, "acc": v**2, "macro_f1": v / 2} for k, v in reversed(WF1.items())}
    table = fold_table(scores)
    assert table["fold"].to_list() == ["1", "2", "3", "4", "5", "mean", "sd"]
    assert table["n"].to_list() == [10, 20, 30, 40, 50, None, None]
    for name in ("wf1", "acc", "macro_f1"):
        values = [scores[k][name] for k in WF1]
        assert table[name].to_list()[:5] == values
        assert table[name][5] == pytest.approx(np.mean(values))
        assert table[name][6] == pytest.approx(np.std(values, ddof=1))


def test_one_fold_has_no_sd(tmp_path):
    table = fold_table({2: {"n": 7, "wf1": 0.5, "acc": 0.5, "macro_f1": 0.5}})
    assert table.row(-1) == ("sd", None, None, None, None)
    write_folds(table, "one", "", tmp_path)
    assert "| sd |  |  |  |  |" in (tmp_path / "folds.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"n": 1, "wf1": null}', "\xff", '{"n": 1, "wf1": "x"}'])
def test_unreadable_scores_are_one_message(tmp_path, content):
    path = tmp_path / "metrics.json"
    if content is not None:
        path.write_text(content, encoding="latin-1")
    with pytest.raises(ErcError, match=r"metrics\.json: not readable"):
        read_scores(path)


def test_scores_that_are_not_finite_are_refused(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text('{"n": 1, "wf1": NaN, "acc": 0, "macro_f1": 0}', encoding="utf-8")
    with pytest.raises(ErcError, match="not finite"):
        read_scores(path)


def test_five_folds_are_run_and_averaged(workspace):
    before = snapshot(workspace)
    run()
    runs = [call for call in calls(workspace) if call.startswith("exp run")]
    assert runs == [
        f"exp run --name iemocap-fold-{k} -S ingest.iemocap.fold={k} evaluate@iemocap" for k in (1, 2, 3, 4, 5)
    ]
    assert [call for call in calls(workspace) if call.startswith("exp remove")] == ["exp remove iemocap-fold-2"]
    table = pl.read_csv(workspace / "reports/iemocap/folds.csv")
    assert table["wf1"].to_list()[:5] == list(WF1.values())
    assert table["wf1"][5] == pytest.approx(np.mean(list(WF1.values())))
    assert table["wf1"][6] == pytest.approx(np.std(list(WF1.values()), ddof=1), abs=1e-6)
    page = (workspace / "reports/iemocap/folds.md").read_text(encoding="utf-8")
    assert "| 3 | 1,003 | 58.00 | 57.00 | 48.00 |" in page
    assert "between speakers, not between seeds" in page
    after = snapshot(workspace)
    assert {name: after.pop(name, None) for name in ("folds.csv", "folds.md")}.keys() == {"folds.csv", "folds.md"}
    assert after == before
    assert calls(workspace)[-1] == "checkout evaluate@iemocap --with-deps"


def test_a_failing_fold_is_told_and_the_workspace_restored(workspace, monkeypatch):
    before = snapshot(workspace)
    monkeypatch.setenv("FAIL_AT", "3")
    with pytest.raises(ErcError, match="fold 3: `dvc exp run` ended with code 255"):
        run()
    assert snapshot(workspace) == before


def test_scores_of_another_fold_are_refused(workspace, monkeypatch):
    monkeypatch.setenv("STALE_AT", "4")
    with pytest.raises(ErcError, match="is of fold 9 after the run of fold 4"):
        run()
    assert not (workspace / "reports/iemocap/folds.csv").exists()


def test_an_edit_meanwhile_stops_the_folds_and_is_kept(workspace, monkeypatch):
    monkeypatch.setenv("EDIT_AT", "2")
    with pytest.raises(ErcError, match="changed while the folds ran"):
        run()
    assert "patience: 9" in (workspace / "params.yaml").read_text(encoding="utf-8")
    assert (workspace / "dvc.lock").read_text(encoding="utf-8") == "as it was: evaluate@iemocap"


def test_a_workspace_that_never_ran_stays_one(workspace):
    (workspace / "dvc.lock").unlink()
    (workspace / "reports/iemocap/metrics.json").unlink()
    (workspace / "reports/iemocap").rmdir()
    run()
    assert not (workspace / "dvc.lock").exists()
    assert sorted(path.name for path in (workspace / "reports/iemocap").iterdir()) == ["folds.csv", "folds.md"]
    assert not any(call.startswith("checkout") for call in calls(workspace))


def test_a_dataset_that_never_ran_beside_others_is_not_put_back(workspace, capsys):
    (workspace / "dvc.lock").write_text("evaluate@demo", encoding="utf-8")
    run()
    assert (workspace / "dvc.lock").read_text(encoding="utf-8") == "evaluate@demo"
    assert not any(call.startswith("checkout") for call in calls(workspace))
    assert "could not be put back" not in capsys.readouterr().out


def test_only_iemocap_that_is_built_has_folds(workspace):
    with pytest.raises(ErcError, match="only iemocap has folds"):
        run("demo")
    params = load_params().model_copy(update={"datasets": ["demo"]})
    with pytest.raises(ErcError, match="lacks 'iemocap'"):
        stage.main(params, "iemocap")
    assert not (workspace / "calls.txt").exists()


def test_no_dvc_is_one_message(workspace, monkeypatch):
    before = snapshot(workspace)
    monkeypatch.setenv("PATH", str(workspace))
    with pytest.raises(ErcError, match="dvc: command not found"):
        run()
    assert snapshot(workspace) == before


def test_the_command(workspace):
    command = [sys.executable, "-m", "stages.folds", "iemocap"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "W-F1 61.2 ± 2.4" in ran.stdout
    assert json.loads((workspace / "data/iemocap/ingest.json").read_text(encoding="utf-8"))["ingest"]["fold"] == 5


def test_it_imports_nothing_of_models():
    assert not [path for path in closure("folds") if "/models/" in path or "/training/" in path]
