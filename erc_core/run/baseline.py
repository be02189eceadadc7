"""What params.yaml says differently from the committed one: DVC's experiments write their values into it and leave them there."""

import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from erc_core.run.provenance import commit

MOST = 8  # changes that are named


def changed_params(path: Path = Path("params.yaml")) -> str:
    """Return in one line what differs from the commit that is checked out; empty if nothing does, or without Git.

    A queued or temporary experiment has its baseline checked out, so the line says the same there.
    """
    shown = ["git", "show", f"HEAD:./{path.name}"]
    yaml = YAML(typ="safe")
    try:
        ran = subprocess.run(shown, cwd=path.parent, capture_output=True, text=True, check=True)
        committed, current = (_flat(yaml.load(text)) for text in (ran.stdout, path.read_text(encoding="utf-8")))
    except (OSError, subprocess.CalledProcessError, UnicodeDecodeError, YAMLError):
        return ""
    changes = [
        f"{key} = {current.get(key, 'absent')} (committed: {committed.get(key, 'absent')})"
        for key in dict.fromkeys([*current, *committed])
        if current.get(key, "absent") != committed.get(key, "absent")
    ]
    if not changes:
        return ""
    more = f"; and {len(changes) - MOST} more" if len(changes) > MOST else ""
    head = (commit() or "").split(" ")[0]
    return f"Parameters differ from those committed in {head}: {'; '.join(changes[:MOST])}{more}"


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict) or not tree:
        return {prefix: tree}
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return flat
