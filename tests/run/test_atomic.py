import json
import math
import os
import subprocess
import sys

import pytest

from erc_core.run import atomic
from erc_core.run.atomic import atomic_file, atomic_folder, scratch_beside, write_json


@pytest.fixture(scope="module")
def dead_process() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_file_takes_its_name_when_the_block_ends(tmp_path):
    target = tmp_path / "new" / "folder" / "ünï.txt"
    with atomic_file(target) as partial:
        partial.write_text("content")
        assert partial.parent == target.parent
        assert partial.name.startswith(".")
        assert not target.exists()
    assert target.read_text() == "content"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "x.txt"
    target.write_text("old")
    with pytest.raises(error), atomic_file(target) as partial:  # noqa: PT012
        partial.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_block_that_writes_nothing_is_an_error_and_keeps_the_old_file(tmp_path):
    target = tmp_path / "x.txt"
    target.write_text("old")
    with pytest.raises(FileNotFoundError), atomic_file(target):
        pass
    assert target.read_text() == "old"


def test_a_read_only_hard_link_is_replaced_and_its_other_name_keeps_the_content(tmp_path):
    # DVC links an out to its cache: writing into it would change the cache
    cached, target = tmp_path / "cached", tmp_path / "out" / "x.txt"
    cached.write_text("old")
    cached.chmod(0o444)
    target.parent.mkdir()
    os.link(cached, target)
    with atomic_file(target) as partial:
        partial.write_text("new")
    assert (cached.read_text(), target.read_text()) == ("old", "new")


def test_a_folder_replaces_the_old_one_as_a_whole(tmp_path):
    target = tmp_path / "a" / "model"
    for name in ("first", "second"):
        with atomic_folder(target) as partial:
            (partial / "deep").mkdir()
            (partial / "deep" / name).write_text(name)
    assert [path.name for path in (target / "deep").iterdir()] == ["second"]
    assert list(target.parent.iterdir()) == [target]


def test_an_error_leaves_the_old_folder_and_nothing_else(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(RuntimeError), atomic_folder(target) as partial:  # noqa: PT012
        (partial / "half").touch()
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [target]


def test_nothing_is_ever_deleted_under_the_final_name(tmp_path, monkeypatch):
    # a process killed while it deletes a folder in place would leave half of it
    deleted = []
    real = atomic.shutil.rmtree
    monkeypatch.setattr(atomic.shutil, "rmtree", lambda path, **options: (deleted.append(path), real(path, **options)))
    target = tmp_path / "model"
    for _ in range(2):
        with atomic_folder(target) as partial:
            (partial / "x").touch()
    assert len(deleted) == 1
    assert target not in deleted


@pytest.mark.parametrize("kind", ["partial", "spool"])
def test_what_dead_processes_left_is_removed(tmp_path, dead_process, kind):
    target = tmp_path / "x[1].h5"  # a name that is a pattern
    left = tmp_path / f".x[1].h5.{dead_process}.{kind}"
    kept = [
        tmp_path / f".x[1].h5.{os.getppid()}.{kind}",  # of a process that runs
        tmp_path / f".y.h5.{dead_process}.{kind}",  # of another target
        tmp_path / f".x[1].h5.notes.{kind}",
        tmp_path / f".x1.h5.{dead_process}.{kind}",
        tmp_path / f".x[1].h5.{dead_process}.other",
    ]
    for path in [left, *kept]:
        path.write_text("x")
    assert scratch_beside(target, kind) == tmp_path / f".x[1].h5.{os.getpid()}.{kind}"
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_folders_of_dead_processes_are_removed_by_the_next_run(tmp_path, dead_process):
    for kind in ("partial", "replaced"):
        left = tmp_path / f".model.{dead_process}.{kind}"
        left.mkdir()
        (left / "weights").touch()
    with atomic_folder(tmp_path / "model"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_json_is_stable_readable_and_ends_with_a_newline(tmp_path):
    content = {"b": [1, 0.1], "a": "Erklärung\n", "none": None}
    write_json(tmp_path / "x.json", content)
    data = (tmp_path / "x.json").read_bytes()
    assert json.loads(data) == content
    assert data == '{\n  "b": [\n    1,\n    0.1\n  ],\n  "a": "Erklärung\\n",\n  "none": null\n}\n'.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, object()])
def test_what_json_does_not_have_is_refused_and_the_old_file_stays(tmp_path, value):
    write_json(tmp_path / "x.json", 1)
    with pytest.raises((ValueError, TypeError)):
        write_json(tmp_path / "x.json", {"deep": [value]})
    assert (tmp_path / "x.json").read_text() == "1\n"
    assert len(list(tmp_path.iterdir())) == 1
