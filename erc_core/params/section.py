"""What every section of params.yaml has in common: strict types, no unknown keys, no change after loading, bounds.

Every number has a bound on both sides (tests/params/test_bounds.py), so that a slip of the hand is told and not tried. The
upper ones lie far above what is sensible: they are where memory, single precision or the operating system end.
"""

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

Auto = Literal["auto"]
FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")  # names of a user's that become files and folders
LONGEST_SHOWN = 60  # characters of a value or key in a message

Count = Annotated[int, Field(ge=1, le=1_000_000)]  # of utterances, dialogues, epochs
Epochs = Annotated[float, Field(ge=0, le=1_000_000)]  # also a part of one
Width = Annotated[int, Field(ge=1, le=16_384)]  # values in a vector, attention heads
Depth = Annotated[int, Field(ge=1, le=128)]  # layers
MlpRatio = Annotated[float, Field(ge=0.0625, le=64)]
Rate = Annotated[float, Field(gt=0, le=10)]  # of learning
Factor = Annotated[float, Field(gt=0, lt=1)]  # that lowers a rate
Weight = Annotated[float, Field(ge=0, le=1000)]  # of a loss, of decay
Temperature = Annotated[float, Field(ge=0.0001, le=1000)]  # that similarities are divided by
Name = Annotated[str, Field(min_length=1, max_length=200)]
Names = Annotated[list[Name], Field(max_length=200)]


def shown(value: Any) -> str:
    """Return a value in a message: as Python writes it, on one line and not too long."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."


class Section(BaseModel):
    """A section of params.yaml: frozen, strictly typed, unknown keys refused, no number infinite or NaN."""

    # keys that change how fast a result comes, never the result: no stage depends on them
    speed_only: ClassVar[tuple[str, ...]] = ()
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
