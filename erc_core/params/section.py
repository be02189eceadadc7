"""What every section of params.yaml has in common: strict types, no unknown keys, no change after loading."""

import re
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

Auto = Literal["auto"]
FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")  # names of a user's that become files and folders


class Section(BaseModel):
    """A section of params.yaml: frozen, strictly typed, unknown keys refused, no number infinite or NaN."""

    # keys that change how fast a result comes, never the result: no stage depends on them
    speed_only: ClassVar[tuple[str, ...]] = ()
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
