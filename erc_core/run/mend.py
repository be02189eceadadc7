"""Drop a damaged file of the pipeline from the workspace and from DVC's cache: `python -m erc_core.run.mend PATH`.

Deleting it is not enough. DVC links workspace and cache, so that one damage reaches both; it takes a read-only object of its
cache for whole without a look; and it restores that object even after `dvc repro --force`. Without the object, `dvc repro`
makes the file again.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ruamel.yaml import YAML

from erc_core.errors import ErcError


def mend(path: Path) -> list[Path]:
    """Delete a file or folder that dvc.lock names, or a file in such a folder, and the objects behind it that are damaged.

    Other outputs that share a damaged object by a hard link are damaged with it, and deleted too. Returns the objects that were
    deleted. Whole objects stay, and `dvc repro` links them again.

    Raises:
        ErcError: No stage makes such a file.
    """
    outs = _outs()
    found = dict.fromkeys(_objects(Path(path).absolute(), outs))
    dropped = [content for name, content in found if content.is_file() and _md5(content) != name]
    damaged = {_inode(content) for content in dropped}
    for linked in _files(outs) if dropped else ():
        if _inode(linked) in damaged:
            linked.unlink()
    for content in dropped:
        content.unlink()
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return dropped


def _outs() -> list[dict[str, str]]:
    """Return the outputs that dvc.lock names."""
    stages = YAML(typ="safe").load(Path("dvc.lock").read_text(encoding="utf-8"))["stages"].values()
    return [out for stage in stages for out in stage.get("outs", [])]


def _files(outs: Iterable[dict[str, str]]) -> Iterator[Path]:
    """Yield the files in the workspace that belong to outputs."""
    for out in outs:
        place = Path(out["path"])
        yield from [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]


def _inode(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _objects(path: Path, outs: Iterable[dict[str, str]]) -> Iterator[tuple[str, Path]]:
    """Yield the MD5 and the place in the cache of all that dvc.lock says of the output that is, or holds, the path."""
    owners = [out for out in outs if path.is_relative_to(Path(out["path"]).absolute())]
    if not owners:
        raise ErcError(f"{path}: no output of a stage, as dvc.lock has it; nothing was done")
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    cache = Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip(), "files/md5")
    for out in owners:
        name = out["md5"]
        listing = cache / name[:2] / name[2:]
        if name.endswith(".dir") and listing.is_file() and _md5(listing) == name.removesuffix(".dir"):
            for entry in json.loads(listing.read_bytes()):
                yield entry["md5"], cache / entry["md5"][:2] / entry["md5"][2:]
        elif name.endswith(".dir"):  # nothing says any more which files are in the folder
            for content in cache.glob("*/*"):
                yield content.parent.name + content.stem, content
        yield name.removesuffix(".dir"), listing


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m erc_core.run.mend", description=__doc__)
    parser.add_argument("path", type=Path, help="the file that a message named")
    arguments = parser.parse_args()
    try:
        objects = mend(arguments.path)
    except (ErcError, OSError) as error:
        sys.exit(str(error))
    print(f"{arguments.path}: deleted, with {len(objects)} damaged objects of DVC's cache; now run `dvc repro`")
