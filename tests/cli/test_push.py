import argparse
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_up_model_folder import write_run

from erc_core.cli import push
from erc_core.errors import ErcError
from erc_core.sharing import push as sharing
from erc_core.store.checksums import seal_folder


@pytest.fixture
def model(tmp_path) -> Path:
    write_run(tmp_path)
    folder = tmp_path / "data/mine/trained"
    (folder / "README.md").write_text("---\nlicense: mit\ntags:\n- synthetic\n---\n# A model\n", encoding="utf-8")
    (folder / ".cache/huggingface").mkdir(parents=True)
    (folder / ".cache/huggingface/any").touch()
    (folder / ".gitattributes").touch()
    return folder


class Hub:
    """What HfApi does here: it keeps what is asked of it, and answers as the hub would."""

    private, files, refuses = False, (".gitattributes",), None

    def __init__(self):
        self.asked = []

    def create_repo(self, name, **options):
        if self.refuses:
            raise self.refuses
        self.asked.append(("create_repo", name, options))

    def model_info(self, name):
        return SimpleNamespace(private=self.private, siblings=[SimpleNamespace(rfilename=file) for file in self.files])

    def upload_folder(self, **options):
        self.asked.append(("upload_folder", options))
        return SimpleNamespace(repo_url=f"https://hub/{options['repo_id']}")


@pytest.fixture
def hub(monkeypatch):
    made = Hub()
    monkeypatch.setattr(sharing, "HfApi", lambda: made)
    monkeypatch.setattr(sharing, "get_token", lambda: "hf_token")
    return made


def run(*arguments) -> int:
    parser = argparse.ArgumentParser()
    push.add_parser(parser.add_subparsers())
    options = parser.parse_args(["push", *map(str, arguments)])
    return options.run(options)


FILES = ["README.md", "checksums.json", "config.json", "model.safetensors", "tokenizer/tokenizer.json"]


def test_a_dry_run_needs_no_account_and_no_network(model, monkeypatch, capsys):
    monkeypatch.setattr(sharing, "HfApi", None)
    monkeypatch.setattr(sharing, "get_token", lambda: None)
    assert run(model, "anna/emotions", "--dry-run") == 0
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines() if line.startswith("  ")] == FILES
    assert f"push {model} to anna/emotions (public): 5 files" in said
    assert "licence: mit" in said
    assert "trained on synthetic speech" in said
    assert said.endswith("dry run: nothing was sent; to send it, run `hf auth login` first\n")


def test_the_model_is_sent_whole_and_nothing_else(model, hub, capsys):
    assert run(model, "anna/emotions") == 0
    (made, name, _), (sent, options) = hub.asked
    assert (made, name, sent) == ("create_repo", "anna/emotions", "upload_folder")
    assert options["allow_patterns"] == FILES
    assert options["folder_path"] == model
    assert "sent: https://hub/anna/emotions" in capsys.readouterr().out


@pytest.mark.parametrize(("flag", "asked"), [((), None), (("--private",), True)])
def test_who_may_see_it_is_asked_for(model, hub, flag, asked):
    hub.private = True
    run(model, "anna/emotions", *flag)
    assert hub.asked[0][2] == {"private": asked, "exist_ok": True}


def test_without_an_account_one_line_says_what_to_do(model, hub, monkeypatch):
    monkeypatch.setattr(sharing, "get_token", lambda: None)
    with pytest.raises(ErcError, match=r"^no account .*run `hf auth login`") as caught:
        run(model, "anna/emotions")
    assert "\n" not in str(caught.value)
    assert hub.asked == []


def test_what_was_to_be_private_goes_to_no_public_place(model, hub):
    with pytest.raises(ErcError, match="anna/emotions is public already"):
        run(model, "anna/emotions", "--private")
    assert [asked[0] for asked in hub.asked] == ["create_repo"]


def test_a_place_with_other_files_is_refused(model, hub):
    """Who loads the model from there would be told of a file that its checksums do not know."""
    hub.files = (*FILES, "pytorch_model.bin")
    with pytest.raises(ErcError, match=r"anna/emotions holds 'pytorch_model\.bin'"):
        run(model, "anna/emotions")
    hub.files = (*FILES, ".gitattributes")
    assert run(model, "anna/emotions") == 0  # a newer model over an older one


def test_what_the_hub_refuses_is_one_line(model, hub):
    hub.refuses = OSError("403 Client Error.\n\nForbidden")
    with pytest.raises(
        ErcError, match=r"^anna/emotions: the hub did not take it \(OSError: 403 Client Error\. Forbidden\)"
    ):
        run(model, "anna/emotions")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x"), r"model\.safetensors: damaged"),
        (lambda folder: (folder / "more.py").touch(), r"more\.py: not among the checksums"),
        (
            lambda folder: (folder / "README.md").unlink(),
            r"README\.md: not found; a model goes to others with its card",
        ),
        (
            lambda folder: (folder / "README.md").write_text("---\na: [\n---\n"),
            r"README\.md: its head, .*, is not readable",
        ),
        (lambda folder: (folder / "config.json").unlink(), "holds no model; name the folder that the stage pack makes"),
    ],
)
def test_only_a_whole_model_with_a_card_is_sent(model, hub, harm, told):
    harm(model)
    with pytest.raises(ErcError, match=told):
        run(model, "anna/emotions")
    assert hub.asked == []


@pytest.mark.parametrize("name", ["emotions", "a/b/c", "anna/emo tions", "anna/", "anna/--x"])
def test_a_name_that_the_hub_would_not_take_is_told(model, hub, name):
    with pytest.raises(ErcError, match="is no name on the hub"):
        run(model, name)
    assert hub.asked == []


def test_a_card_without_a_licence_says_so(model, hub, capsys):
    (model / "README.md").write_text("# A model\n", encoding="utf-8")
    seal_folder(model / "tokenizer")
    with pytest.raises(ErcError, match="not among the checksums"):
        run(model, "anna/emotions")
    (model / "tokenizer/checksums.json").unlink()
    run(model, "anna/emotions")
    assert "licence: none" in capsys.readouterr().out
