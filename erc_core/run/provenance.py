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
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def commit() -> str | None:
    """Return the commit of the code, marked where files differ from it; None outside a Git repository."""
    try:
        head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        status = subprocess.run(
            [
                "git",
                "status",
                "--porcelain",
                "--untracked-files=no",
                "--",
                "erc_core",
                "stages",
                "params.yaml",
                "dvc.yaml",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + (" with local changes" if status.stdout.strip() else "")


@functools.cache
def code_hash(*places: str, packages: tuple[str, ...] = PACKAGES) -> str:
    """Return a short hash of code and of the versions of the packages under it.

    Call it while a module is imported: what a process has loaded stays as it is when the files change.

    Args:
        places: Files and folders of Python code, relative to erc_core.
        packages: Names of the packages.
    """
    found = {package: versions()[package] for package in ("python", *packages)}
    digest = hashlib.blake2b(json.dumps(found).encode(), digest_size=10)
    for place in (CORE / name for name in places):
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(os.path.relpath(path, CORE).encode())
            digest.update(hashlib.blake2b(path.read_bytes()).digest())
    return digest.hexdigest()
