"""The device that heavy work runs on, chosen automatically."""

import platform
from collections.abc import Iterable
from pathlib import Path

import torch

from erc_core.params.backbones import TextEncoderParams, TransformerParams
from erc_core.params.schema import Params


def pick_device(params: Params, parts: Iterable[TextEncoderParams | TransformerParams]) -> torch.device:
    """Return the GPU if there is one, the CPU otherwise, and set the number of threads that a CPU computes with.

    Under `auto` the parts of the backbone that a stage runs decide; see pick_threads.
    """
    if params.parallel.threads != "auto":
        torch.set_num_threads(params.parallel.threads)
    else:
        pick_threads(part.source for part in parts)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def pick_threads(sources: Iterable[str]) -> None:
    """Set one thread where none of the parts to run is pretrained, and leave it to torch elsewhere.

    A transformer of width 64 gains little from a second thread, and loses everything when another process competes for
    the cores, as threads spin while they wait for each other: 13 times slower, measured on two cores.
    """
    if all(source == "config" for source in sources):
        torch.set_num_threads(1)


def describe_device(device: torch.device) -> str:
    """Return the name of the card or the processor."""
    if device.type == "cuda":
        return f"GPU: {torch.cuda.get_device_name(device)}"
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"CPU: {model}, {torch.get_num_threads()} threads"
