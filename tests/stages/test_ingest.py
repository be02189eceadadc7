"""The stage ingest where its raw folder is not there."""

from pathlib import Path

import pytest
from closure import ROOT

from erc_core.errors import ErcError
from erc_core.params.data import TableIngest
from erc_core.params.load import load_params
from erc_core.store.ingest import IngestRecord
from erc_core.store.utterances import SYNTHETIC_FILE
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


def test_the_record_has_the_values_that_a_section_of_two_lines_leaves_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data/raw/mine").mkdir(parents=True)
    rows = [f"words {k},{('joy', 'anger')[k % 2]}" for k in range(40)]
    Path("data/raw/mine/utterances.csv").write_text("\n".join(["text,emotion", *rows]), encoding="utf-8")
    section = TableIngest(format="table", file="utterances.csv")
    params = load_params(ROOT / "params.yaml").model_copy(update={"ingest": {"mine": section}})
    ingest.main(params, "mine")
    assert IngestRecord.read(Path("data/mine")).ingest == {
        "format": "table", "raw_dir": None, "file": "utterances.csv", "columns": {}, "split_by": "dialogue",
        "dev_share": 0.1, "test_share": 0.2, "seed": 0,
    }  # fmt: skip


@pytest.mark.parametrize("synthetic", [True, False])
def test_a_corpus_that_no_person_spoke_is_known_by_a_file_and_not_by_its_name(tmp_path, monkeypatch, synthetic):
    monkeypatch.chdir(tmp_path)
    raw = tmp_path / "elsewhere"
    raw.mkdir()
    rows = [f"words {k},{('joy', 'anger')[k % 2]}" for k in range(40)]
    (raw / "utterances.csv").write_text("\n".join(["text,emotion", *rows]), encoding="utf-8")
    if synthetic:
        (raw / SYNTHETIC_FILE).touch()
    section = TableIngest(format="table", file="utterances.csv", raw_dir=str(raw))
    params = load_params(ROOT / "params.yaml").model_copy(update={"ingest": {"mine": section}})
    ingest.main(params, "mine")
    assert IngestRecord.read(Path("data/mine")).synthetic == synthetic
