import json

import pytest

from erc_core.errors import ErcError
from erc_core.store.checksums import seal, seal_folder, unseal, verify_folder


def test_a_sealed_object_opens_only_as_it_was():
    content = {"b": [1, 2.5, None, "é"], "a": {"x": True}}
    sealed = json.loads(json.dumps(seal(content)))
    assert unseal(sealed) == content
    assert list(sealed) == ["b", "a", "checksum"]
    for other in (sealed | {"b": [1, 2.5, None, "e"]}, sealed | {"more": 1}, sealed | {"checksum": ""}):
        with pytest.raises(ValueError, match="its checksum is not that of its content"):
            unseal(other)
    for other in (content, [], None):
        with pytest.raises(ValueError, match="has no checksum"):
            unseal(other)


def sealed_folder(folder):
    (folder / "inner").mkdir(parents=True)
    (folder / "weights").write_bytes(bytes(range(200)))
    (folder / "inner" / "config.json").write_text("{}")
    seal_folder(folder)
    return folder


def test_a_sealed_folder_is_what_it_was(tmp_path):
    folder = sealed_folder(tmp_path / "x")
    verify_folder(folder)
    sealed_folder(tmp_path / "y")
    assert (folder / "checksums.json").read_bytes() == (tmp_path / "y" / "checksums.json").read_bytes()


def flip(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: flip(folder, "weights"), "weights: damaged"),
        (lambda folder: flip(folder, "inner/config.json"), "inner/config.json: damaged"),
        (lambda folder: flip(folder, "checksums.json"), "checksums.json: damaged"),
        (lambda folder: (folder / "checksums.json").unlink(), "checksums.json: missing"),
        (lambda folder: (folder / "weights").unlink(), "weights: missing"),
        (lambda folder: (folder / "more").touch(), "more: not among the checksums"),
        (lambda folder: (folder / "weights").write_bytes(b""), "weights: damaged"),
    ],
)
def test_what_happened_to_a_sealed_folder_is_told(tmp_path, damage, told):
    folder = sealed_folder(tmp_path / "x")
    damage(folder)
    with pytest.raises(ErcError) as caught:
        verify_folder(folder)
    path, problem = told.split(": ")
    assert str(caught.value).startswith(f"{folder / path}: {problem}")
    assert f"; run `python -m erc_core.run.mend {folder / path}`, then `dvc repro`" in str(caught.value)


def test_what_may_lie_beside_is_named_and_nothing_else_is_let_in(tmp_path):
    folder = sealed_folder(tmp_path / "x")
    (folder / ".cache" / "deep").mkdir(parents=True)
    (folder / ".cache" / "deep" / "any").touch()
    (folder / "README.md").write_text("anything")
    with pytest.raises(ErcError, match=r"\.cache/deep/any: not among the checksums"):
        verify_folder(folder)
    beside = ("README.md", ".cache")
    verify_folder(folder, beside=beside)
    (folder / "inner" / "README.md").touch()
    with pytest.raises(ErcError, match=r"inner/README\.md: not among the checksums"):
        verify_folder(folder, beside=beside)


def test_a_sealed_file_is_compared_though_its_name_may_lie_beside(tmp_path):
    folder = sealed_folder(tmp_path / "x")
    flip(folder, "weights")
    with pytest.raises(ErcError, match="weights: damaged"):
        verify_folder(folder, beside=("weights",))
    (folder / "weights").unlink()
    with pytest.raises(ErcError, match="weights: missing"):
        verify_folder(folder, beside=("weights",))
