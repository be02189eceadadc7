import sys

import pytest

from erc_core.params.load import check_params, load_params
from stages import demo


@pytest.fixture
def params(monkeypatch, tmp_path, pytestconfig, demo_params):
    loaded = load_params(pytestconfig.rootpath / "params.yaml")
    monkeypatch.chdir(tmp_path)
    tree = loaded.model_dump(mode="json")
    tree["demo"] = demo_params(train=1, dev=1, test=1).model_dump(mode="json")
    return check_params(tree | {"parallel": tree["parallel"] | {"workers": 1}, "datasets": ["demo"]})


def test_it_speaks_and_ends_with_a_summary(params, tmp_path, capsys):
    pytest.importorskip("espeakng_loader")
    demo.main(params)
    assert len(list((tmp_path / "data/raw/demo").glob("*.csv"))) == 3
    line = capsys.readouterr().out.splitlines()[-1]
    assert all(word in line for word in ("utterances", "hours of audio", "times real time", "3 dialogues"))


def test_without_demo_among_the_datasets_it_makes_an_empty_folder_and_needs_no_espeak(
    params, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    old = tmp_path / "data/raw/demo/old.wav"
    old.parent.mkdir(parents=True)
    old.touch()
    demo.main(params.model_copy(update={"datasets": ["meld"]}))
    assert list((tmp_path / "data/raw/demo").iterdir()) == []
    assert capsys.readouterr().out.count("\n") == 1
