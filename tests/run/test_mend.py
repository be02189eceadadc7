import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from erc_core.errors import ErcError
from erc_core.run import mend
from erc_core.run.mend import mend as drop


@pytest.fixture
def project(tmp_path, monkeypatch):
    """One file and one folder of two files, hard links into a cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mend.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=f"{tmp_path / 'cache'}\n"))

    def put(content: bytes, suffix: str = "") -> str:
        name = hashlib.md5(content).hexdigest() + suffix
        path = tmp_path / "cache/files/md5" / name[:2] / name[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return name

    outs = [{"path": "data/mel.h5", "md5": put(b"mel")}]
    listing = [{"md5": put(content), "relpath": name} for name, content in (("a", b"weights"), ("b", b"config"))]
    outs.append({"path": "data/model", "md5": put(json.dumps(listing).encode(), ".dir")})
    Path("dvc.lock").write_text(json.dumps({"stages": {"all": {"outs": outs}}}))
    Path("data/model").mkdir(parents=True)
    for path, name in (("data/mel.h5", outs[0]["md5"]), *((f"data/model/{e['relpath']}", e["md5"]) for e in listing)):
        Path(path).hardlink_to(f"cache/files/md5/{name[:2]}/{name[2:]}")
    return tmp_path


def objects() -> set[bytes]:
    return {path.read_bytes() for path in Path("cache/files").rglob("*") if path.is_file()}


def test_damage_goes_from_the_workspace_and_from_the_cache_behind_it(project):
    Path("data/mel.h5").write_bytes(b"me")  # a hard link: both
    assert len(drop(Path("data/mel.h5"))) == 1
    assert not Path("data/mel.h5").exists()
    assert b"me" not in objects()
    assert len(objects()) == 3


def test_other_outputs_that_share_the_damage_go_with_it(project):
    Path("data/model/a").write_bytes(b"flipped")
    lock = json.loads(Path("dvc.lock").read_text())
    lock["stages"]["pack"] = {"outs": [{"path": "data/packed", "md5": lock["stages"]["all"]["outs"][1]["md5"]}]}
    Path("dvc.lock").write_text(json.dumps(lock))
    Path("data/packed").mkdir()
    for name in ("a", "b"):
        Path("data/packed", name).hardlink_to(Path("data/model", name))
    drop(Path("data/packed/a"))
    assert sorted(str(path) for path in Path("data").rglob("*") if path.is_file()) == [
        "data/mel.h5",
        "data/model/b",
        "data/packed/b",
    ]


@pytest.mark.parametrize("named", ["data/model/a", "data/model"])
def test_a_damaged_file_in_a_folder_takes_no_whole_one_with_it(project, named):
    Path("data/model/a").write_bytes(b"flipped")
    assert len(drop(Path(named))) == 1
    assert not Path(named).exists()
    assert b"flipped" not in objects()
    assert {b"mel", b"config"} <= objects()


def test_a_whole_object_stays_where_the_workspace_alone_is_damaged(project):
    Path("data/mel.h5").unlink()
    Path("data/mel.h5").write_bytes(b"me")
    assert drop(Path("data/mel.h5").absolute()) == []
    assert not Path("data/mel.h5").exists()
    assert b"mel" in objects()


@pytest.mark.parametrize("listing", [b"[]", None])
def test_a_folder_whose_listing_is_damaged_or_gone_takes_every_damaged_object(project, listing):
    Path("data/model/a").write_bytes(b"flipped")
    path = next(Path("cache/files/md5").rglob("*.dir"))
    path.write_bytes(listing) if listing else path.unlink()
    drop(Path("data/model"))
    assert not Path("data/model").exists()
    assert objects() == {b"mel", b"config"}


def test_what_no_stage_makes_is_not_touched(project):
    Path("mine").write_text("mine")
    with pytest.raises(ErcError, match="no output of a stage"):
        drop(Path("mine"))
    assert Path("mine").exists()
