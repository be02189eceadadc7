"""The stage ingest where its raw folder is not there."""

from pathlib import Path

import pytest
from closure import ROOT

from erc_core.errors import ErcError
from erc_core.params.load import load_params
from stages import ingest


@pytest.mark.parametrize("exists", [False, True])
def test_the_embedded_corpus_is_asked_for_from_its_stage_not_from_authors(tmp_path, monkeypatch, exists):
    monkeypatch.chdir(tmp_path)
    if exists:
        Path("data/raw/demo").mkdir(parents=True)
    with pytest.raises(ErcError, match=r"^data/raw/demo: nothing there; the stage demo makes it") as told:
        ingest.main(load_params(ROOT / "params.yaml"), "demo")
    assert "authors" not in str(told.value)
    assert not list(tmp_path.rglob("*.parquet"))


def test_other_corpora_are_asked_for_from_their_authors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ErcError, match=r"^data/raw/meld: no such folder.*from its authors"):
        ingest.main(load_params(ROOT / "params.yaml"), "meld")
