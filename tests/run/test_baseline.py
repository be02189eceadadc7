import subprocess

import pytest

from erc_core.run.baseline import MOST, changed_params

COMMITTED = "jfm: {n_blocks: 2, joint_len: 4}\nstudy:\n  run: [full]\n"


@pytest.fixture
def params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "params.yaml"
    path.write_text(COMMITTED, encoding="utf-8")
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    return path


def test_what_an_experiment_left_is_named_with_the_committed_value(params):
    params.write_text("study:\n  run: []\njfm:\n  n_blocks: 3\n  joint_len: 4  # J\n", encoding="utf-8")
    line = changed_params(params)
    assert line.startswith("Parameters differ from those committed in ")
    assert line.endswith(": study.run = [] (committed: ['full']); jfm.n_blocks = 3 (committed: 2)")


def test_another_layout_is_no_change(params):
    params.write_text("study: {run: [full]}\njfm: {joint_len: 4, n_blocks: 2}\n", encoding="utf-8")
    assert changed_params(params) == ""


def test_many_changes_are_counted(params):
    params.write_text(COMMITTED + "".join(f"k{i}: {i}\n" for i in range(MOST + 3)), encoding="utf-8")
    assert changed_params(params).endswith("k7 = 7 (committed: absent); and 3 more")


def test_without_git_nothing_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    path = tmp_path / "params.yaml"
    path.write_text(COMMITTED, encoding="utf-8")
    assert changed_params(path) == ""
