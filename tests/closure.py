"""The project files that a stage runs: its script and everything of erc_core that it imports, directly or not."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]


def module_file(name: str) -> Path | None:
    """Return the file of a module of the project; None for anything else."""
    base = ROOT.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def imported_modules(path: Path) -> set[str]:
    """Return the modules of the project that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in ("erc_core", "stages")}


def closure(stage: str) -> list[str]:
    """Return the files of a stage, as posix paths from the project's root, without the empty package files."""
    files: set[Path] = set()
    waiting = [f"stages.{stage}"]
    while waiting:
        path = module_file(waiting.pop())
        if path is None or path in files:
            continue
        files.add(path)
        waiting += imported_modules(path)
    return sorted(
        path.relative_to(ROOT).as_posix() for path in collapse({path for path in files if path.stat().st_size})
    )


def collapse(files: set[Path]) -> set[Path]:
    """Replace the files of a package by its folder where a stage runs all of them: half of DVC's idle time is YAML."""
    folders = {path.parent for path in files if path.parent not in (ROOT / "stages", ROOT / "erc_core")}
    whole = {
        folder
        for folder in folders
        if all(
            path in files
            for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".pyc" and path.stat().st_size
        )
    }
    return {path for path in files if path.parent not in whole} | whole


if __name__ == "__main__":
    import sys

    for name in sys.argv[1:]:
        print(f"# {name}")
        for path in closure(name):
            print(f"      - {path}")
