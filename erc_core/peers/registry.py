"""What makes each peer system, by the name that params/peers.py gives it."""

from collections.abc import Callable
from typing import Any

from torch import nn

from erc_core.inference.dialogues import DialogueShapes
from erc_core.params.peers import PEERS, PeerParams
from erc_core.peers.multiemo import MultiEMO
from erc_core.peers.scfa import SCFA

SYSTEMS: dict[str, Callable[[Any, DialogueShapes], nn.Module]] = {"scfa": SCFA, "multiemo": MultiEMO}


def make_peer(settings: PeerParams, shapes: DialogueShapes) -> nn.Module:
    """Return the system whose hyper-parameters these are, with random weights."""
    name = next(name for name, kind in PEERS.items() if isinstance(settings, kind))
    return SYSTEMS[name](settings, shapes)
