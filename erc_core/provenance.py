"""What a number was made with: versions of the packages, the commit of the code, and the code that features come from."""

import functools
import hashlib
import json
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

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
def feature_code() -> str:
    """Return a short hash of the code that makes features, and of the versions of the packages under it.

    Call it while a module is imported: what a process has loaded stays as it is when the files change.
    """
    core = Path(__file__).parent
    folders = [core / name for name in ("corpora", "features", "params", "store")]
    files = [*core.glob("*.py"), *core.with_name("stages").glob("*.py")]
    digest = hashlib.blake2b(json.dumps(versions(), sort_keys=True).encode(), digest_size=10)
    for path in sorted([*files, *(path for folder in folders for path in folder.rglob("*.py"))]):
        digest.update(path.relative_to(core.parent).as_posix().encode())
        digest.update(hashlib.blake2b(path.read_bytes()).digest())
    return digest.hexdigest()
