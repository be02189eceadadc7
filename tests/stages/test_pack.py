import json
import os
import stat

import pytest
from closure import ROOT
from made_up_model_folder import write_run
from params_file import change

from erc_core.errors import ErcError
from erc_core.params.load import load_params
from erc_core.store.model_folder import verify_model
from stages import pack


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a folder with params.yaml and a made-up finished run of the dataset demo."""
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path, "demo", kind="meld", synthetic=True)
    return tmp_path


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_model_is_what_was_trained_and_its_card(project, capsys):
    pack.main(load_params(), "demo")
    model, trained = files_of(project / "data/demo/model"), files_of(project / "data/demo/trained")
    card = model.pop("README.md").decode()
    assert model == trained
    assert "Trained on synthetic speech" in card
    verify_model(project / "data/demo/model")
    assert "can be handed on" in capsys.readouterr().out
    pack.main(load_params(), "demo")
    assert files_of(project / "data/demo/model")["README.md"].decode() == card


def test_the_licence_of_params_yaml_is_in_the_card(project):
    change(project, {"pack.license": "mit"})
    pack.main(load_params(), "demo")
    assert "\nlicense: mit\n" in (project / "data/demo/model/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (
            lambda root: (root / "data/demo/trained/model.safetensors").write_bytes(b"weightz"),
            "model.safetensors: damaged",
        ),
        (lambda root: (root / "data/demo/trained/model.py").touch(), "model.py: not among the checksums"),
        (lambda root: (root / "data/demo/trained/README.md").touch(), "README.md: not among the checksums"),
        (
            lambda root: replaced(root / "reports/demo/metrics.json", '"n": 6', '"n": 7'),
            "metrics.json: is not the file that",
        ),
        (
            lambda root: replaced(root / "reports/demo/per_class.csv", "joy,0.5", "joy,0.7"),
            "per_class.csv: is not the file",
        ),
        (lambda root: (root / "data/results/demo.json").unlink(), "the stage evaluate makes it"),
        (lambda root: (root / "data/demo/trained/checksums.json").unlink(), "checksums.json: missing"),
    ],
)
def test_what_does_not_fit_is_told_and_the_model_before_stays(project, harm, told):
    pack.main(load_params(), "demo")
    before = files_of(project / "data/demo/model")
    harm(project)
    with pytest.raises(ErcError, match=told):
        pack.main(load_params(), "demo")
    assert files_of(project / "data/demo/model") == before
    assert {path.name for path in (project / "data/demo").iterdir()} == {"trained", "model", "ingest.json"}


def replaced(path, old, new):
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new), encoding="utf-8")


def test_the_weights_are_those_that_were_scored(project):
    facts = json.loads((project / "data/results/demo.json").read_text(encoding="utf-8"))
    write_run(
        project / "other", "demo", kind="meld", synthetic=True, files=facts["files"] | {"model.safetensors": "0" * 64}
    )
    os.chdir(project / "other")
    (project / "other/params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    with pytest.raises(
        ErcError, match=r"trained/model\.safetensors: is not the file that data/results/demo\.json was made with"
    ):
        pack.main(load_params(), "demo")


def test_what_dvc_holds_read_only_is_linked_and_anything_else_copied(project):
    """DVC's link into its cache: a model of a gigabyte lies on the disk once; an edit of a file must reach no other."""
    held = project / "data/demo/trained/model.safetensors"
    held.chmod(stat.S_IRUSR)
    pack.main(load_params(), "demo")
    model = project / "data/demo/model"
    assert (model / "model.safetensors").samefile(held)
    assert not (model / "config.json").samefile(project / "data/demo/trained/config.json")


def test_links_of_dvc_are_followed(project):
    """With cache.type symlink the files of trained/ are symbolic links to absolute paths."""
    held, cached = project / "data/demo/trained/model.safetensors", project / "cached"
    held.rename(cached)
    cached.chmod(stat.S_IRUSR)
    held.symlink_to(cached)
    pack.main(load_params(), "demo")
    packed = project / "data/demo/model/model.safetensors"
    assert not packed.is_symlink()
    assert packed.read_bytes() == b"weights"
