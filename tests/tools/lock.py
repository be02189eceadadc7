"""Write constraints.txt: the versions, in the environment that runs this, of all that the demo corpus' pipeline needs."""

import platform
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = "erc-core"
TOOLS = ("pip", "setuptools")  # come with the interpreter, and old ones do not run on a newer
FILE = Path(__file__).parents[2] / "constraints.txt"
HEADER = """\
# The environment that the published numbers were made in (Python {python}, {system} {machine}): of every package that
# `pip install '.[demo]'` brings, the version. `make repro LOCKED=1` installs these; `make lock` writes this file anew from
# the environment that is active. What only another Python or system needs is not listed, and comes in its newest version.
"""


def needed(requirement: str) -> dict[str, str]:
    """Return the names and installed versions of all that a requirement such as "erc-core[demo]" needs, by name; the project is left out."""
    versions: dict[str, str] = {}
    seen = set()
    waiting = [Requirement(requirement)]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        for extra in {"", *wanted.extras}:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            installed = distribution(name)
            # without a label such as +cpu, which one index alone has
            versions[name] = Version(installed.version).public
            parts = map(Requirement, installed.requires or [])
            waiting += [part for part in parts if part.marker is None or part.marker.evaluate({"extra": extra})]
    return {name: versions[name] for name in sorted(versions.keys() - {PROJECT, *TOOLS})}


def main() -> None:
    """Write the file."""
    try:
        versions = needed(f"{PROJECT}[demo]")
    except PackageNotFoundError as error:
        raise SystemExit(f"{error.name} is not installed here: run `make install` before `make lock`") from None
    header = HEADER.format(python=platform.python_version(), system=platform.system(), machine=platform.machine())
    FILE.write_text(header + "".join(f"{name}=={version}\n" for name, version in versions.items()), encoding="utf-8")
    print(f"{FILE.name}: {len(versions)} packages")


if __name__ == "__main__":
    main()
