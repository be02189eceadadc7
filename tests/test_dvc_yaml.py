"""dvc.yaml against the code: DVC sees no imports, so each stage has to list what it runs."""

import subprocess
import sys

import pytest
from closure import ROOT, closure
from ruamel.yaml import YAML

STAGES = ("demo", "ingest", "resample", "card", "mel", "tokenize", "embed", "train", "evaluate", "study", "report")
PIPELINE = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]

# What each stage may not import, as it does not use it: start-up is paid at every run
HEAVY = {
    "demo": {"torch", "torchaudio", "transformers", "timm", "sklearn", "matplotlib"},
    "ingest": {"torch", "torchaudio", "transformers", "timm", "sklearn", "matplotlib"},
    "resample": {"torch", "torchaudio", "transformers", "timm", "sklearn", "matplotlib"},
    "card": {"torch", "torchaudio", "transformers", "timm", "sklearn"},
    "mel": {"transformers", "timm", "sklearn", "matplotlib"},
    "tokenize": {"torch", "torchaudio", "transformers", "timm", "sklearn", "matplotlib"},
    "study": {"matplotlib", "statsmodels"},
    "train": {"matplotlib", "statsmodels"},
    "embed": {"timm"},  # transformers itself imports torchaudio, soundfile and more where they are installed
    "report": {"torch", "torchaudio", "transformers", "timm"},
}


def test_every_stage_is_in_the_pipeline():
    assert tuple(PIPELINE) == STAGES


@pytest.mark.parametrize("name", STAGES)
def test_deps_are_the_import_closure(name):
    no_code = ("erc_core/reporting/style.mplstyle", "erc_core/reporting/templates", "erc_core/study/paper_results.yaml")
    code = [dep for dep in PIPELINE[name]["deps"] if dep.startswith(("erc_core/", "stages/")) and dep not in no_code]
    expected = closure(name)
    listed = "\n".join(f"      - {path}" for path in expected)
    assert sorted(code) == expected, f"stage {name} of dvc.yaml should list:\n{listed}"


@pytest.mark.parametrize("name", STAGES)
def test_every_dep_exists_or_is_made(name):
    made = [next(iter(out)) if isinstance(out, dict) else out for stage in PIPELINE.values() for out in outs(stage)]
    for dep in PIPELINE[name]["deps"]:
        inside = any(path == dep or path.startswith(f"{dep}/") for path in made)
        assert inside or (ROOT / dep).exists() or dep == "data/raw/${item.dataset}", dep


def outs(stage):
    return [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]


@pytest.mark.parametrize("name", STAGES)
def test_matrix_stages_name_their_dataset_everywhere(name):
    stage = PIPELINE[name]
    command = f"python -m stages.{name}"
    assert stage["desc"]
    if "matrix" in stage:
        variants = {"variant": "${study.run}"} if name == "study" else {}
        assert stage["matrix"] == {"dataset": "${datasets}"} | variants
        assert stage["cmd"] == command + " ${item.dataset}" + " ${item.variant}" * bool(variants)
        for out in outs(stage):
            path = next(iter(out)) if isinstance(out, dict) else out
            assert "${item.dataset}" in path
    else:
        assert stage["cmd"] == command


@pytest.mark.parametrize("name", HEAVY)
def test_a_stage_imports_nothing_heavy_that_it_does_not_use(name):
    code = f"import sys, stages.{name}; print(*sorted({{module.split('.')[0] for module in sys.modules}}))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not HEAVY[name] & set(ran.stdout.split())
