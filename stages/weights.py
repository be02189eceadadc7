"""Record what lies in the local folders that the backbone's weights come from, so that other weights run other stages.

Reads   models/, and any other folder that backbones.<backbone>.*.name gives
Writes  data/weights.json: the SHA-256 of every file in these folders; a name on the hub has none
Params  backbone, backbones
"""

from pathlib import Path

from erc_core.params.schema import Params
from erc_core.run.atomic import write_json
from erc_core.run.hub import find_weights
from erc_core.run.provenance import sha256
from erc_core.run.stage import run_stage


def main(params: Params) -> None:
    """Hash the folders of the chosen backbone."""
    backbone = params.selected_backbone
    parts = {"text_encoder": backbone.text_encoder, "bert": backbone.bert, "vit": backbone.vit}
    named = {key: part.name for key, part in parts.items() if part.source == "pretrained"}
    found = {name: find_weights(name, f"backbones.{params.backbone}.{key}.name") for key, name in named.items()}
    folders = {name: files_of(Path(source)) for name, source in found.items() if Path(source).is_dir()}
    write_json(Path("data/weights.json"), folders)
    print(f"weights: backbone {params.backbone}, {len(folders)} local folders, {sum(map(len, folders.values()))} files")


def files_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of a folder's files, by name; hidden ones hold the times of a download."""
    hashes = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in inside.parts):
            hashes[inside.as_posix()] = sha256(path)
    return hashes


if __name__ == "__main__":
    run_stage(main)
