"""Emotion recognition in conversation from text and speech."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from erc_core.predictor import Predictor

__all__ = ["Predictor"]


def __getattr__(name: str) -> Any:
    if name == "Predictor":  # brings torch, which whoever imports the package for something else does not pay for
        from erc_core.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
