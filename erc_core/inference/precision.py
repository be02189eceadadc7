"""The numbers that the model computes with."""

from typing import Literal

import torch


def autocast_dtype(precision: Literal["auto", "float32", "bfloat16"], device: torch.device) -> torch.dtype:
    """Return the dtype of mixed precision; float32 means none.

    Args:
        precision: train.precision; auto is bfloat16 on a GPU that has it.
        device: Where the model runs.
    """
    if precision == "auto":
        has_bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if has_bfloat16 else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32
