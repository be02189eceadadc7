"""A full disk is one line, whichever library meets it: a device that is always full, and a real one where mounting is allowed."""

import errno
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from closure import ROOT

from erc_core.run import full_disk
from erc_core.run.atomic import atomic_file, atomic_folder, write_json
from erc_core.run.full_disk import DiskFullError, is_full, says_full_disk, telling_full_disk
from erc_core.store.ragged_writer import RaggedWriter


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class LibraryError(Exception):
    """An error of a class that no library shares."""


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "x"),
        OSError(errno.EDQUOT, "x"),
        OSError("Can't write data (errno = 28, error message = 'No space left on device')"),  # h5py
        LibraryError('IoError(Os { code: 28, message: "No space left on device" })'),  # safetensors
    ],
)
def test_what_says_so_is_told(tmp_path, error):
    for manager in (atomic_file, atomic_folder):
        with pytest.raises(DiskFullError, match=rf"^disk full: {tmp_path}/x$"), manager(tmp_path / "x"):
            raise error
    assert list(tmp_path.iterdir()) == []


HIDDEN = [RuntimeError("file write failed"), OSError("10 requested and 0 written"), LibraryError("x"), Exception("x")]


@pytest.mark.parametrize("error", HIDDEN)
def test_what_hides_it_is_told_where_the_disk_is_full(tmp_path, monkeypatch, error):
    with pytest.raises(type(error), match=str(error)), atomic_file(tmp_path / "x"):
        raise error
    monkeypatch.setattr(full_disk, "is_full", lambda folder: folder == tmp_path)
    with pytest.raises(DiskFullError), atomic_file(tmp_path / "x"):
        raise error


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), KeyboardInterrupt(), ValueError("x")])
def test_a_mistake_in_the_code_stays_one(tmp_path, monkeypatch, error):
    monkeypatch.setattr(full_disk, "is_full", lambda _: True)
    with pytest.raises(type(error)), atomic_file(tmp_path / "x"):
        raise error


def test_a_folder_is_tried(tmp_path, monkeypatch):
    assert not is_full(tmp_path)
    assert not is_full(tmp_path / "absent")
    monkeypatch.setattr(full_disk.tempfile, "TemporaryFile", full)
    assert is_full(tmp_path)


def test_a_file_in_a_folder_has_the_name_it_would_have_had(tmp_path):
    with pytest.raises(DiskFullError, match=rf"^disk full: {tmp_path}/model/config\.json$"):  # noqa: SIM117
        with atomic_folder(tmp_path / "model") as partial, telling_full_disk(partial / "config.json"):
            full()


def test_it_passes_from_a_worker():
    error = pickle.loads(pickle.dumps(DiskFullError("data/x")))
    assert (type(error), str(error), error.path, error.exit_code) == (DiskFullError, "disk full: data/x", "data/x", 1)


def test_json_and_features_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(DiskFullError, match=r"x\.json$"):
        write_json(tmp_path / "x.json", {})
    with (  # noqa: PT012
        pytest.raises(DiskFullError, match=r"x\.h5$"),
        RaggedWriter(tmp_path / "x.h5", dtype=np.int16, width=None, attributes={}) as writer,
    ):
        writer._spool.close()
        writer._spool = open("/dev/full", "wb")  # noqa: SIM115, PTH123
        writer.append("a", np.zeros(100_000, np.int16))
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_came_from_it_says_it():
    error = RuntimeError()
    error.__cause__ = OSError(errno.ENOSPC, "x")
    assert says_full_disk(error)
    assert not says_full_disk(RuntimeError())


STAGE = """
import sys
from pathlib import Path
from erc_core.run.stage import run_stage
def work(params):
    WORK
sys.argv = ["stage"]
run_stage(work)
"""


@pytest.mark.parametrize(
    ("work", "told"),
    [
        ("open('/dev/full', 'w').write('x' * 10_000)", "disk full: "),
        ("import errno; raise OSError(errno.ENOSPC, 'x', 'data/a')", "disk full: data/a\n"),
        ("print('x')", "disk full: standard output\n"),
        ("print('x' * 100_000)", "disk full: "),
    ],
)
def test_a_stage_ends_with_one_line(tmp_path, work, told):
    (tmp_path / "params.yaml").symlink_to(ROOT / "params.yaml")
    with open("/dev/full", "w") as output:  # noqa: PTH123
        ran = subprocess.run(
            [sys.executable, "-c", STAGE.replace("WORK", work)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == 1, ran.stderr
    assert ran.stderr.startswith(told)
    assert ran.stderr.count("\n") == 1
