"""dvc.yaml against the code: DVC sees no imports, so each stage has to list what it runs."""

import subprocess
import sys

import pytest
from closure import ROOT, arrows, closure, is_free
from gto.constants import assert_name_is_valid
from ruamel.yaml import YAML

from erc_core.params.schema import Params
from erc_core.params.section import Section
from erc_core.params.training import TrainParams
from erc_core.speech import audio, mel

STAGES = (
    "demo",
    "ingest",
    "resample",
    "card",
    "weights",
    "mel",
    "tokenize",
    "embed",
    "train",
    "evaluate",
    "pack",
    "study",
    "report",
)
SCRIPTS = {name: name for name in STAGES} | {
    "tokenize": "tokens"
}  # tokenize.py would hide the standard library's module
# from the ground up: a room imports from those before it alone
ROOMS = (
    "errors", "params", "run", "store", "corpora", "speech", "text", "models", "inference", "evaluation", "training",
    "peers", "study", "report", "sharing", "conversation", "predictor", "__init__", "answers", "cli", "__main__",
)  # fmt: skip
DVC_YAML = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
PIPELINE = DVC_YAML["stages"]

# What each stage may not import, as it does not use it: start-up is paid at every run
HEAVY = {
    "demo": {"torch", "torchaudio", "transformers", "timm", "sklearn", "matplotlib"},
    "ingest": {"torch", "torchaudio", "transformers", "timm", "sklearn", "matplotlib"},
    "resample": {"torch", "torchaudio", "transformers", "timm", "sklearn", "matplotlib"},
    "card": {"torch", "torchaudio", "transformers", "timm", "sklearn"},
    "weights": {"torch", "torchaudio", "transformers", "timm", "sklearn", "matplotlib"},
    "mel": {"transformers", "timm", "sklearn", "matplotlib"},
    "tokenize": {"torch", "torchaudio", "transformers", "timm", "sklearn", "matplotlib"},
    "study": {"matplotlib", "statsmodels"},
    "train": {"matplotlib", "statsmodels"},
    "pack": {"torch", "torchaudio", "transformers", "timm", "sklearn", "matplotlib"},
    "embed": {"timm"},  # transformers itself imports torchaudio, soundfile and more where they are installed
    "report": {"torch", "torchaudio", "transformers", "timm"},
}


def test_every_stage_is_in_the_pipeline():
    assert tuple(PIPELINE) == STAGES


def code_deps(name):
    return [dep for dep in PIPELINE[name]["deps"] if dep.startswith(("erc_core/", "stages/"))]


def is_under(path, dep):
    return path == dep or path.startswith(f"{dep}/")


@pytest.mark.parametrize("name", STAGES)
def test_code_deps_are_what_the_stage_runs(name):
    """Every file that decides a result lies under a dep, and every dep has such a file or the report's templates and figures."""
    needed, listed = closure(f"stages.{SCRIPTS[name]}"), code_deps(name)
    lacking = sorted(path for path in needed if not any(is_under(path, dep) for dep in listed))
    assert not lacking, f"stage {name} of dvc.yaml should list, themselves or by their folder: {lacking}"
    useless = [dep for dep in listed if not any(is_under(path, dep) for path in needed)]
    assert not useless, f"stage {name} of dvc.yaml lists what it does not run: {useless}"
    assert not [dep for dep in listed if is_free(dep)], "no result depends on these"
    assert not [dep for dep in listed if any(other != dep and is_under(dep, other) for other in listed)], "listed twice"


def test_dvc_yaml_is_short_enough_to_be_read():
    assert sum(len(code_deps(name)) for name in STAGES) <= 68
    assert len((ROOT / "dvc.yaml").read_text(encoding="utf-8").splitlines()) <= 320


def test_the_model_of_every_known_dataset_is_an_artifact():
    """By a name that GTO's tags can hold: `dvc artifacts get` of any other finds nothing."""
    known = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))["ingest"]
    model = PIPELINE["pack"]["outs"][0].replace("${item.dataset}", "{}")
    paths = {name: artifact["path"] for name, artifact in DVC_YAML["artifacts"].items()}
    assert paths == {dataset.replace("_", "-"): model.format(dataset) for dataset in known}
    for name in paths:
        assert_name_is_valid(name)


def test_no_arrow_between_rooms_runs_up():
    found = arrows()
    assert set(found) == set(ROOMS)
    up = [(room, to) for room, others in found.items() for to in others if ROOMS.index(to) >= ROOMS.index(room)]
    assert not up


def test_the_schema_of_params_holds_no_value():
    """A default in params/ would decide results, and no stage depends on it: DVC tracks what params.yaml says."""
    for section in all_sections():
        for name, field in section.model_fields.items():
            empty = field.is_required() or field.get_default(call_default_factory=True) in (None, [], {}, "")
            assert empty, f"{section.__name__}.{name} has a value of its own"


def all_sections():
    waiting = [Section]
    while waiting:
        section = waiting.pop()
        waiting += section.__subclasses__()
        if section.__module__.startswith("erc_core.params"):
            yield section


@pytest.mark.parametrize("module", [audio, mel])
def test_an_interrupted_extraction_is_keyed_by_the_code_that_makes_its_bytes(module):
    assert {f"erc_core/{file}" for file in module.CODE_FILES} == closure(module.__name__)


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
    command = f"python -m stages.{SCRIPTS[name]}"
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


@pytest.mark.slow
@pytest.mark.parametrize("name", HEAVY)
def test_a_stage_imports_nothing_heavy_that_it_does_not_use(name):
    code = f"import sys, stages.{SCRIPTS[name]}; print(*sorted({{module.split('.')[0] for module in sys.modules}}))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not HEAVY[name] & set(ran.stdout.split())


@pytest.mark.parametrize("name", STAGES)
def test_no_stage_depends_on_what_changes_speed_only(name):
    listed = set(PIPELINE[name].get("params", []))
    sections = {key: field.annotation for key, field in Params.model_fields.items()}
    assert "parallel" not in listed
    for key, section in sections.items():
        speed = getattr(section, "speed_only", ())
        assert not speed or key not in listed
        assert not listed & {f"{key}.{name}" for name in speed}


def test_train_and_study_depend_on_every_other_value_of_the_training():
    deciding = {f"train.{name}" for name in TrainParams.model_fields if name not in TrainParams.speed_only}
    assert deciding <= set(PIPELINE["train"]["params"])
    assert deciding - {"train.seed"} == {key for key in PIPELINE["study"]["params"] if key.startswith("train.")}
