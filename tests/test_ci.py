"""The workflow for GitHub runs what a person runs: targets of the Makefile, on the versions of Python that pyproject.toml allows."""

import re
import subprocess
import tomllib

import pytest
from closure import ROOT
from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

WORKFLOW = YAML(typ="safe").load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
JOBS = WORKFLOW["jobs"]
SCRIPTS = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.search(r"^\.PHONY: (.+)$", MAKEFILE, flags=re.MULTILINE)[1].split())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def targets_in(text):
    return set(re.findall(r"(?:^|`|; |&& )make ([a-z]+)", text, flags=re.MULTILINE))


def test_every_target_that_ci_names_exists():
    named = set().union(*map(targets_in, SCRIPTS))
    assert {"test", "repro"} <= named <= TARGETS


@pytest.mark.parametrize("path", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"])
def test_every_target_that_a_document_names_exists(path):
    assert targets_in((ROOT / path).read_text(encoding="utf-8")) <= TARGETS


def test_every_target_says_what_it_does():
    described = set(re.findall(r"^([a-z]+):.*## ", MAKEFILE, flags=re.MULTILINE))
    assert described == TARGETS
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make ([a-z]+) ", shown, flags=re.MULTILINE)) == TARGETS


def test_tests_run_on_every_python_that_is_allowed():
    allowed = SpecifierSet(PROJECT["requires-python"])
    versions = JOBS["test"]["strategy"]["matrix"]["python"]
    assert versions == [f"3.{minor}" for minor in range(30) if f"3.{minor}" in allowed]
    assert all(isinstance(version, str) for version in versions)  # 3.10 as a number would be 3.1


def test_the_workflow_may_read_and_ends():
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert all(0 < job["timeout-minutes"] <= 90 for job in JOBS.values())
    assert not [job for job in JOBS.values() if "permissions" in job]


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_shell_and_hold_no_text_from_outside(script):
    """A branch's name or a title in a script would be run as part of it, so such values come by `env`."""
    subprocess.run(["bash", "-n"], input=re.sub(r"\$\{\{.*?\}\}", "x", script), text=True, check=True)
    assert set(re.findall(r"\$\{\{ *(.*?) *\}\}", script)) <= {"matrix.python"}
