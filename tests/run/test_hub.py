import pytest

from erc_core.errors import ErcError
from erc_core.run.hub import fetch_command, find_weights, loading_pretrained

KEY = "backbones.paper.bert.name"


def test_success_passes_through():
    with loading_pretrained("bert-base-uncased", KEY):
        value = 1
    assert value == 1


@pytest.mark.parametrize("error", [OSError("no\nnetwork"), ValueError("odd"), RuntimeError("size"), KeyError("x")])
def test_a_name_that_cannot_be_had_tells_key_reason_and_remedy(error):
    with pytest.raises(ErcError) as caught, loading_pretrained("bert-base-uncased", KEY):
        raise error
    message = str(caught.value)
    assert message.startswith(f"{KEY} = 'bert-base-uncased': no such local folder, not in the hub's cache")
    assert f"({type(error).__name__}: {' '.join(str(error).split())})" in message
    assert "`hf download bert-base-uncased --local-dir models/bert-base-uncased`" in message
    assert f"set {KEY} to its path" in message
    assert "`backbone: tiny`" in message
    assert "\n" not in message
    assert caught.value.__cause__ is error


def test_a_folder_that_cannot_be_loaded_is_not_called_missing(tmp_path):
    with pytest.raises(ErcError) as caught, loading_pretrained(str(tmp_path), KEY):
        raise OSError("no file named config.json")
    assert str(caught.value) == (
        f"{KEY} = {str(tmp_path)!r}: the folder is there but cannot be loaded (OSError: no file named config.json)"
    )


def test_a_long_reason_is_shortened(tmp_path):
    with pytest.raises(ErcError) as caught, loading_pretrained(str(tmp_path), KEY):
        raise OSError("x" * 5000)
    assert len(str(caught.value)) < 500


def test_a_message_that_is_clear_already_stays():
    with pytest.raises(ErcError, match=r"^layer 13 does not exist$"), loading_pretrained("x", KEY):
        raise ErcError("layer 13 does not exist")


def test_an_interruption_is_none_of_its_business():
    with pytest.raises(KeyboardInterrupt), loading_pretrained("x", KEY):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("roberta-base", "hf download roberta-base --local-dir models/roberta-base"),
        ("FacebookAI/roberta-large", "hf download FacebookAI/roberta-large --local-dir models/roberta-large"),
    ],
)
def test_the_command_fetches_what_the_name_means(name, command):
    assert fetch_command(name, name) == command


@pytest.mark.parametrize("place", [".dvc/tmp/exps/standalone/tmpabc", ".dvc/tmp/exps/tmpabc", "."])
def test_an_experiment_finds_the_folders_of_its_project(tmp_path, monkeypatch, place):
    """DVC runs queued and temporary experiments in folders of their own, without what Git ignores."""
    (tmp_path / "models/bert").mkdir(parents=True)
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path / place)
    assert (tmp_path / place / find_weights("models/bert", KEY)).resolve() == tmp_path / "models/bert"


@pytest.mark.parametrize("name", ["models/bert", "./bert", "/nowhere/bert", "~/no/bert"])
def test_a_path_to_no_folder_is_told_without_asking_the_hub(name):
    with pytest.raises(ErcError, match=r"no such folder \(looked for /.*bert\)$"), loading_pretrained(name, KEY):
        raise AssertionError("tried to load it")


@pytest.mark.parametrize("name", ["bert-base-uncased", "FacebookAI/roberta-large", "hf-hub:timm/vit"])
def test_a_name_on_the_hub_stays(name):
    assert find_weights(name, KEY) == name
