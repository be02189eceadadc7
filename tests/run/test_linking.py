import errno
import os
from pathlib import Path

import pytest

from erc_core.run.linking import link_or_copy


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "inner").mkdir(parents=True)
    (folder / "held").write_bytes(b"held")
    (folder / "held").chmod(0o444)
    (folder / "inner" / "free").write_bytes(b"free")
    return folder


def test_files_that_nobody_writes_are_linked_and_others_copied(source, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    link_or_copy(source, target)
    assert (target / "held").samefile(source / "held")
    (target / "inner" / "free").write_bytes(b"edited")
    assert (source / "inner" / "free").read_bytes() == b"free"


def test_where_links_are_impossible_all_is_copied(source, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "target"
    target.mkdir()
    link_or_copy(source, target)
    assert (target / "held").read_bytes() == b"held"
    assert not (target / "held").samefile(source / "held")
