"""An installation that is not editable holds all that the code reads: pyproject.toml names packages and data files."""

import tomllib

import pytest
from closure import ROOT

DATA = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
FILES = [path for path in (ROOT / "erc_core").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]


def test_every_data_file_is_packaged():
    packaged = {path for pattern in DATA["erc_core"] for path in (ROOT / "erc_core").glob(pattern)}
    assert sorted(FILES) == sorted(packaged)
    assert FILES


@pytest.mark.parametrize("package", ["erc_core", "stages"])
def test_every_folder_with_code_is_a_package(package):
    assert all((path.parent / "__init__.py").is_file() for path in (ROOT / package).rglob("*.py"))
