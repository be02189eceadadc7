"""What makes each peer system, by the name that params/peers.py gives it."""

from collections.abc import Callable
from typing import Any

from torch import nn

from erc_core.inference.dialogues import DialogueShapes
from erc_core.params.peers import PEERS, PeerParams
from erc_core.peers import multiemo, scfa
from erc_core.peers.multiemo import MultiEMO
from erc_core.peers.scfa import SCFA

SYSTEMS: dict[str, Callable[[Any, DialogueShapes], nn.Module]] = {"scfa": SCFA, "multiemo": MultiEMO}

# how each differs from its authors' system, beside what all peers have in common; docs/systems says more
COMMON_DIFFERENCES = [
    "written anew after the paper",
    "reads pooled frozen features, standardised: the mean over the text encoder's tokens, mean and deviation of each mel bin",
    "gradients are clipped, and patience on the validation split ends the training and chooses the epoch",
]
DIFFERENCES: dict[str, list[str]] = {"scfa": scfa.DIFFERENCES, "multiemo": multiemo.DIFFERENCES}


def differences_of(system: str) -> list[str]:
    """Return how a system differs from its authors', as the report says it."""
    return [*COMMON_DIFFERENCES, *DIFFERENCES.get(system, [])]


def make_peer(settings: PeerParams, shapes: DialogueShapes) -> nn.Module:
    """Return the system whose hyper-parameters these are, with random weights."""
    name = next(name for name, kind in PEERS.items() if isinstance(settings, kind))
    return SYSTEMS[name](settings, shapes)
