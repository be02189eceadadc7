import pytest

from erc_core.errors import ErcError
from erc_core.study.results import RESULTS_FILE, read_results, study_folder


def test_a_variant_that_was_not_trained_has_no_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_results("demo", "full") is None


def test_a_folder_without_its_results_is_damage_and_no_variant_that_was_not_trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study_folder("demo", "full").mkdir(parents=True)
    with pytest.raises(ErcError, match=f"{RESULTS_FILE}: not found; the stage study makes it: run `dvc repro`"):
        read_results("demo", "full")
