"""What lies in a model's folder, by name; and whether it is whole. Without PyTorch, which only loading it needs."""

from pathlib import Path

from erc_core.store.checksums import verify_folder

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
CARD_FILE = "README.md"
# may lie beside what the checksums are of; the last two as the hub and `hf download --local-dir` add them
BESIDE = (CARD_FILE, ".gitattributes", ".cache")


def verify_model(folder: Path) -> None:
    """Compare a model's folder with its checksums.json; a card and what the hub adds may lie beside.

    Raises:
        ErcError: A file is damaged, missing, or one too many.
    """
    verify_folder(folder, beside=BESIDE)
