"""Changes of the params.yaml of a project that a test made."""

from pathlib import Path

from ruamel.yaml import YAML


def change(folder: Path, changes: dict[str, object]) -> None:
    """Set values of a project's params.yaml, by dotted key."""
    yaml = YAML()
    params = yaml.load((folder / "params.yaml").read_text(encoding="utf-8"))
    for key, value in changes.items():
        *sections, name = key.split(".")
        section = params
        for part in sections:
            section = section[part]
        section[name] = value
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
