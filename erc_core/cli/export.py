"""`erc export`: a trained model as an ONNX file, for programs that have no torch."""

import argparse
from pathlib import Path
from typing import Any

from erc_core.cli.parsing import add_model, new_command
from erc_core.errors import ErcError

DESCRIPTION = """Write a trained model as an ONNX file: token ids and log-mel in, probabilities out. The file is
checked against torch on made-up utterances before it is there. docs/prediction.md says how to use it."""


def add_parser(commands: Any) -> None:
    """Add the command to those of the program."""
    parser = new_command(commands, "export", "write a model as an ONNX file", DESCRIPTION, run)
    add_model(parser)
    parser.add_argument("target", metavar="FILE", type=Path, help="to write, such as model.onnx")


def run(options: argparse.Namespace) -> int:
    """Export, and say how well it agrees with torch."""
    target: Path = options.target
    if target.is_dir() or target.suffix != ".onnx":
        raise ErcError(f"{target}: name a file that ends in .onnx")
    # torch, after what is told at once
    from erc_core.predictor import Predictor
    from erc_core.sharing.onnx import export_onnx, require_onnx
    from erc_core.sharing.onnx_check import LARGEST_DIFFERENCE, UTTERANCES

    require_onnx()
    predictor = Predictor.from_pretrained(
        options.model, revision=options.revision, text_encoder=options.text_encoder, device="cpu"
    )
    exported = export_onnx(target, predictor.model, predictor.processor, predictor.temperature, predictor.facts)
    print(
        f"export {options.model}: {UTTERANCES} made-up utterances through ONNX Runtime: largest difference to torch "
        f"{exported.difference:.1e} (at most {LARGEST_DIFFERENCE:.0e} is allowed)"
    )
    written = (f"{path}, {path.stat().st_size / 2**20:,.1f} MiB" for path in exported.files)
    print(f"export {options.model}: wrote {' and '.join(written)}")
    return 0
