"""The project files that a stage runs: its script and everything of erc_core that it imports, directly or not."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]

# What no result depends on, so no stage lists it in dvc.yaml: how work is run (any number of workers gives the same bytes), the
# schema of params.yaml (values of parameters are tracked by `params:`, and the schema holds none), and messages.
FREE = ("erc_core/run", "erc_core/params", "erc_core/errors.py")


def module_file(name: str) -> Path | None:
    """Return the file of a module of the project; None for anything else."""
    base = ROOT.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def imported_modules(path: Path) -> set[str]:
    """Return the modules of the project that a file imports, at its top or inside a function; not those for types alone."""
    found = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        waiting += ast.iter_child_nodes(node)
    return {name for name in found if name.split(".")[0] in ("erc_core", "stages")}


def is_free(path: str) -> bool:
    """Return whether no result depends on a file, given as a posix path from the project's root."""
    return any(path == room or path.startswith(f"{room}/") for room in FREE)


def closure(*modules: str) -> set[str]:
    """Return the files of modules and of what they import, as posix paths from the project's root.

    Empty package files are left out, and so is what no result depends on.
    """
    files: set[Path] = set()
    waiting = list(modules)
    while waiting:
        path = module_file(waiting.pop())
        if path is None or path in files or is_free(path.relative_to(ROOT).as_posix()):
            continue
        files.add(path)
        waiting += imported_modules(path)
    return {path.relative_to(ROOT).as_posix() for path in files if path.stat().st_size}


def arrows() -> dict[str, set[str]]:
    """Return, for each room of erc_core (a folder, or a file beside them), the rooms that it imports."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "erc_core").rglob("*.py")):
        room = _room(path)
        files = filter(None, map(module_file, imported_modules(path)))
        found.setdefault(room, set()).update({_room(file) for file in files if file.stat().st_size} - {room})
    return found


def _room(path: Path) -> str:
    return (
        path.relative_to(ROOT / "erc_core").parts[0].removesuffix(".py")
        if ROOT / "erc_core" in path.parents
        else "stages"
    )
