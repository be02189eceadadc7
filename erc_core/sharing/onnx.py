"""A trained model as an ONNX file, which runs without torch; checked against torch before it is there.

Inputs, of which a model has those of its modality (B utterances, T tokens and F frames of the longest, M mel bins):

    token_ids   int64 (B, T)       ids of the tokenizer that the metadata hold, special ones included
    tokens      int64 (B,)         how many of them are the utterance's
    mel         float32 (B, F, M)  log-mel frames
    frames      int64 (B,)         how many of them are the utterance's; 0 where there is no speech

Output: `probabilities`, float32 (B, C), in the order of the labels. The metadata are strings, JSON where they are more than one
value: see metadata_of.
"""

import json
import logging
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from erc_core.errors import ErcError
from erc_core.inference.processor import UtteranceProcessor
from erc_core.models.classifier import UtteranceClassifier
from erc_core.run.atomic import scratch_beside
from erc_core.run.full_disk import telling_full_disk
from erc_core.sharing.onnx_check import LARGEST_DIFFERENCE, UTTERANCES, largest_difference
from erc_core.sharing.onnx_graph import ExportedModel

if TYPE_CHECKING:
    from torch.onnx import ONNXProgram

FORMAT_VERSION = "1"
NEEDED = ("onnx", "onnxruntime", "onnxscript")
OUTPUT = "probabilities"
DATA = ".data"
MOST_IN_ONE_FILE = 3 * 2**29  # bytes of weights; protobuf ends at 2 GiB, and the rest of the file is to fit, too


class Exported(NamedTuple):
    """What was written, and how well it agrees with torch."""

    files: list[Path]  # the model, and its weights where they lie apart
    difference: float  # the largest of a probability that the check saw


def require_onnx() -> None:
    """Refuse to begin without the packages.

    Raises:
        ErcError: One is missing.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ErcError(
            f'erc export needs {", ".join(missing)}: run `pip install "erc-core[onnx]"` '
            '(in a checkout: `pip install -e ".[onnx]"`)'
        )


def export_onnx(
    target: Path,
    model: UtteranceClassifier,
    processor: UtteranceProcessor,
    temperature: float,
    facts: Mapping[str, Any],
) -> Exported:
    """Write a model as an ONNX file, after it was checked.

    Weights above 1.5 GiB lie in a file beside it, target's name with `.data` behind.

    Args:
        target: The file.
        model: In evaluation mode, on the CPU.
        processor: What makes the model's features: its tokenizer, frozen encoder and parameters.
        temperature: What logits are divided by before the softmax.
        facts: More metadata.

    Raises:
        ErcError: A package is missing, torch cannot export the model, or ONNX Runtime does not agree with torch; nothing is
            written then.
    """
    require_onnx()
    program = _export(ExportedModel(model, processor.encoder.model, temperature).eval())
    program.model.metadata_props.clear()
    program.model.metadata_props.update(metadata_of(model, processor, temperature, facts))
    size = sum(weight.nbytes for value in program.model.graph.initializers.values() if (weight := value.const_value))
    is_apart = size > MOST_IN_ONE_FILE
    with _appearing(target) as partial:
        program.save(partial, external_data=is_apart)
        difference = largest_difference(partial, model, processor, temperature)
        if not difference <= LARGEST_DIFFERENCE:
            raise ErcError(
                f"{target}: not written: of {UTTERANCES} made-up utterances, ONNX Runtime's probabilities are up to "
                f"{difference:.1e} off those of torch, and {LARGEST_DIFFERENCE:.0e} is allowed; use the model by erc_core.Predictor"
            )
    return Exported([target, target.with_name(target.name + DATA)] if is_apart else [target], difference)


def metadata_of(
    model: UtteranceClassifier, processor: UtteranceProcessor, temperature: float, facts: Mapping[str, Any]
) -> dict[str, str]:
    """Return what a program needs to know to use the file: facts, labels, and how to make the inputs."""
    config = model.config
    metadata: dict[str, Any] = {
        **facts,
        "format_version": FORMAT_VERSION,
        "modality": config.model.modality,
        "labels": config.labels,
        "temperature": temperature,
    }
    if model.text:
        metadata |= {"max_tokens": processor.max_tokens, "tokenizer": processor.tokenizer.to_str()}
    if model.speech:
        metadata |= {
            "sample_rate": processor.audio.sample_rate,
            "max_frames": config.max_frames,
            "audio": processor.audio.model_dump(),
            "mel": processor.mel.model_dump(),
        }
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in metadata.items()
    }


def _export(model: ExportedModel) -> "ONNXProgram":
    inputs, sizes = model.example()
    fast = torch.backends.mha.get_fastpath_enabled()
    # one operation that stands for a whole layer, and ONNX has none such
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                model,
                kwargs=inputs,
                dynamic_shapes=sizes,
                input_names=list(inputs),
                output_names=[OUTPUT],
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # of torch, onnxscript or transformers: whatever an architecture leads to
        reason = " ".join(str(error).split())[:300]
        raise ErcError(f"torch cannot export this model ({type(error).__name__}: {reason})") from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    assert program is not None
    # where in which file an operation was written: paths of this machine
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
    program.model.graph.metadata_props.clear()
    return program


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what exporters say of their own inner life."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """Yield a path to write to, in a folder beside the target; all that is there takes its place unless the block raises."""
    with telling_full_disk(target):
        folder = scratch_beside(target, "partial")
        folder.mkdir()
    try:
        with telling_full_disk(target, folder):
            yield folder / target.name
            # the weights, if they lie apart, before the file that names them
            for path in sorted(folder.iterdir(), reverse=True):
                path.replace(target.with_name(path.name))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
