import re
import tomllib
from importlib.metadata import version

import pytest
from closure import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from tools import lock

LINES = [line for line in lock.FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
LOCKED = dict(line.split("==") for line in LINES)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_every_line_is_one_package_and_one_version():
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line) for line in LINES)
    assert sorted(LOCKED) == list(LOCKED)
    assert len(LOCKED) == len(LINES) > 100


@pytest.mark.parametrize("line", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["demo"]])
def test_every_dependency_is_locked_within_its_range(line):
    requirement = Requirement(line)
    assert Version(LOCKED[canonicalize_name(requirement.name)]) in requirement.specifier


def test_the_lock_is_of_what_the_demo_needs_and_of_no_tool():
    assert not {"erc-core", "pip", "setuptools", "pytest", "mypy", "ruff"} & set(LOCKED)


def test_needed_follows_extras_and_markers():
    pytest.importorskip("espeakng_loader")
    plain, demo = lock.needed("erc-core"), lock.needed("erc-core[demo]")
    assert set(demo) - set(plain) == {"espeakng-loader"}
    assert demo["numpy"] == Version(version("numpy")).public
    assert {"markupsafe", "huggingface-hub", "dvc-data"} <= set(demo)  # dependencies of dependencies
    assert not {"pytest", "pywin32"} & set(demo)  # an extra, and another system


def test_the_file_is_written_anew(tmp_path, monkeypatch, capsys):
    pytest.importorskip("espeakng_loader")
    monkeypatch.setattr(lock, "FILE", tmp_path / "constraints.txt")
    lock.main()
    written = lock.FILE.read_text(encoding="utf-8").splitlines()
    assert [line.split("==") for line in written if line[0] != "#"] == [
        list(pair) for pair in lock.needed("erc-core[demo]").items()
    ]
    assert capsys.readouterr().out.startswith("constraints.txt: ")


def test_a_package_that_lacks_is_said(monkeypatch):
    monkeypatch.setattr(lock, "PROJECT", "no-such-project-here")
    with pytest.raises(SystemExit, match=r"no-such-project-here is not installed here: run `make install`"):
        lock.main()
