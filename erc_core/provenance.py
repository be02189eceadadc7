"""What a number was made with: versions of the packages, and the commit of the code."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

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
