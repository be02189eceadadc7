"""Shards written apart: the same file from any number of workers, and what an interrupted run leaves is taken up."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from closure import ROOT
from pools import processes

from erc_core.errors import ErcError
from erc_core.speech.shards import Shard, ShardedFeature, make_part
from erc_core.store.checksums import seal
from erc_core.store.ragged_writer import RaggedWriter

LAYOUT = {"dtype": "int16", "width": None}
ATTRIBUTES = {"sample_rate": 16000}


@pytest.fixture(autouse=True)
def _scratch(tmp_path, monkeypatch):
    monkeypatch.setenv("ERC_SCRATCH", str(tmp_path / "scratch"))


@pytest.fixture
def shards(tmp_path) -> list[Shard]:
    return some_shards(tmp_path)


def some_shards(folder: Path) -> list[Shard]:
    """Return 5 shards of 3 utterances, each made from a file of one number."""
    found = []
    for number in range(5):
        ids = [f"u{3 * number + k}" for k in range(3)]
        paths = [folder / f"{name}.txt" for name in ids]
        for path in paths:
            if not path.exists():
                path.write_text(path.stem[1:])
        found.append(Shard(number, ids, [*paths[:2], None]))
    return found


def work(shard: Shard, writer: RaggedWriter, log: Path) -> list[str]:
    """Write each utterance's number as often as it says; log the shard."""
    with log.open("a") as file:
        file.write(f"{shard.number}\n")
    for utterance_id, path in zip(shard.ids, shard.inputs, strict=True):
        number = int(path.read_text()) if path else 0
        writer.append(utterance_id, np.full(number, number, np.int16))
    return [f"notes of {utterance_id}" for utterance_id in shard.ids]


def run(
    shards: list[Shard], target: Path, work=work, workers: int = 1, code: str = "code", **settings
) -> tuple[bytes, list[int]]:
    """Return the bytes of the file, and the numbers of the shards that were made for it."""
    log = target.with_suffix(".log")
    log.unlink(missing_ok=True)
    with ShardedFeature("stage-corpus", code=code, settings=settings, **LAYOUT) as feature:
        notes = list(feature.make(partial(work, log=log), shards, processes(workers)))
        feature.merge(target, ATTRIBUTES)
    assert notes == [[f"notes of {utterance_id}" for utterance_id in shard.ids] for shard in shards]
    return target.read_bytes(), sorted(map(int, log.read_text().split())) if log.exists() else []


def in_one_go(shards: list[Shard], target: Path) -> bytes:
    with RaggedWriter(target, **LAYOUT, attributes=ATTRIBUTES) as writer:
        for shard in shards:
            work(shard, writer, Path(os.devnull))
    return target.read_bytes()


def left(tmp_path: Path) -> list[str]:
    return sorted(path.suffix for path in (tmp_path / "scratch").rglob("*") if path.is_file())


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_file_is_the_one_that_is_written_in_one_go_and_no_part_is_left(tmp_path, shards, workers):
    content, made = run(shards, tmp_path / "x.h5", workers=workers)
    assert content == in_one_go(shards, tmp_path / "y.h5")
    assert made == [0, 1, 2, 3, 4]
    assert left(tmp_path) == []


def fail_at_3(shard: Shard, writer: RaggedWriter, log: Path) -> list[str]:
    if shard.number == 3:
        writer.append("half", np.zeros(5, np.int16))
        raise ErcError("the disk is full")
    return work(shard, writer, log)


def interrupt(shards: list[Shard], target: Path, **settings) -> None:
    with pytest.raises(ErcError, match="the disk is full"):
        run(shards, target, work=fail_at_3, **settings)


def test_after_an_error_only_what_is_missing_is_made(tmp_path, shards):
    interrupt(shards, tmp_path / "x.h5")
    assert left(tmp_path) == [".h5"] * 3 + [".json"] * 3
    content, made = run(shards, tmp_path / "x.h5")
    assert content == in_one_go(shards, tmp_path / "y.h5")
    assert made == [3, 4]
    assert left(tmp_path) == []


def test_after_a_kill_only_what_is_missing_is_made(tmp_path, shards):
    code = f"""
import os, signal, sys
sys.path[:0] = {[str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]!r}
from test_shards import *
def killed(shard, writer, log):
    if shard.number == 2:
        writer.append("half", np.zeros(5, np.int16))
        os.kill(os.getpid(), signal.SIGKILL)
    return work(shard, writer, log)
run(some_shards(Path()), Path("x.h5"), work=killed)
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert not (tmp_path / "x.h5").exists()
    content, made = run(shards, tmp_path / "x.h5", workers=2)
    assert content == in_one_go(shards, tmp_path / "y.h5")
    assert made == [2, 3, 4]
    assert left(tmp_path) == []


def test_a_shard_whose_input_changed_is_made_again(tmp_path, shards):
    interrupt(shards, tmp_path / "x.h5")
    shards[1].inputs[0].write_text("33")
    content, made = run(shards, tmp_path / "x.h5")
    assert content == in_one_go(shards, tmp_path / "y.h5")
    assert made == [1, 3, 4]


def test_a_shard_whose_input_came_or_went_or_has_other_details_is_made_again(tmp_path, shards):
    shards[0].inputs[0].unlink()
    with pytest.raises(FileNotFoundError):
        run(shards, tmp_path / "x.h5")
    shards[0].inputs[0].write_text("0")
    interrupt(shards, tmp_path / "x.h5")
    shards[1] = Shard(1, shards[1].ids, shards[1].inputs, {"train": True})
    assert run(shards, tmp_path / "x.h5")[1] == [1, 3, 4]


def test_other_settings_or_code_make_everything_again(tmp_path, shards):
    interrupt(shards, tmp_path / "x.h5", rate=8000)
    assert run(shards, tmp_path / "x.h5", rate=16000)[1] == [0, 1, 2, 3, 4]
    interrupt(shards, tmp_path / "x.h5")
    assert run(shards, tmp_path / "x.h5", code="edited")[1] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("suffix", [".h5", ".json"])
@pytest.mark.parametrize("damage", [b"", b"\0" * 300])
def test_a_damaged_part_is_made_again(tmp_path, shards, suffix, damage):
    interrupt(shards, tmp_path / "x.h5")
    (part,) = (tmp_path / "scratch").rglob(f"000001-*{suffix}")
    part.write_bytes(damage)
    content, made = run(shards, tmp_path / "x.h5")
    assert content == in_one_go(shards, tmp_path / "y.h5")
    assert made == [1, 3, 4]


def test_notes_whose_numbers_changed_are_made_again(tmp_path, shards):
    interrupt(shards, tmp_path / "x.h5")
    (part,) = (tmp_path / "scratch").rglob("000001-*.json")
    record = json.loads(part.read_text())
    part.write_text(json.dumps(record | {"notes": "others"}))
    assert run(shards, tmp_path / "x.h5")[1] == [1, 3, 4]


def test_a_whole_record_of_another_kind_is_no_note(tmp_path, shards):
    interrupt(shards, tmp_path / "x.h5")
    (part,) = (tmp_path / "scratch").rglob("000001-*.json")
    part.write_text(json.dumps(seal({"config.json": "0" * 32})))
    assert run(shards, tmp_path / "x.h5")[1] == [1, 3, 4]


def test_notes_are_the_same_when_they_are_read_back(tmp_path, shards):
    def numbers(shard: Shard, writer: RaggedWriter, log: Path) -> list[float]:
        return [0.1 + shard.number, 1 / 3]

    folder = tmp_path / "parts"
    folder.mkdir()
    make = partial(make_part, folder=folder, work=partial(numbers, log=tmp_path), layout=LAYOUT)
    first, second = make(shards[2]), make(shards[2])
    assert first == second
    assert json.dumps(first) == json.dumps(second)


def test_a_folder_that_the_worker_does_not_see_is_told(tmp_path, shards):
    with pytest.raises(ErcError, match=r"elsewhere: cannot be seen on .*shared file system under the same path"):
        make_part(shards[0], folder=tmp_path / "elsewhere", work=work, layout=LAYOUT)
