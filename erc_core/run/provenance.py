"""What a number was made with: versions of the packages, the commit of the code, and the code that features come from."""

import functools
import hashlib
import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CORE = Path(__file__).parents[1]
PACKAGES = (
    "torch",
    "torchaudio",
    "transformers",
    "timm",
    "tokenizers",
    "soxr",
    "soundfile",
    "av",
    "scikit-learn",
    "scipy",
)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that numbers depend on."""
    installed = {"python": platform.python_version()}
    return installed | {package: _version(package) for package in PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def commit() -> str | None:
    """Return the commit of the code, marked where files differ from it; None outside a Git repository."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        paths = ("erc_core", "stages", "params.yaml", "dvc.yaml")
        changes = _git("status", "--porcelain", "--untracked-files=no", "--", *paths)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + (" with local changes" if changes else "")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.cache
def code_hash(*places: str, packages: tuple[str, ...] = PACKAGES) -> str:
    """Return a short hash of code (files and folders, relative to erc_core) and of the versions of the packages under it.

    Call it while a module is imported: what a process has loaded stays as it is when the files change.
    """
    under = {"python": platform.python_version()} | {package: _version(package) for package in packages}
    digest = hashlib.blake2b(json.dumps(under).encode(), digest_size=10)
    for place in (CORE / name for name in places):
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(os.path.relpath(path, CORE).encode())
            digest.update(hashlib.blake2b(path.read_bytes()).digest())
    return digest.hexdigest()
