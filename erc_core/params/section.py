"""What every section of params.yaml has in common: strict types, no unknown keys, no change after loading."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section of params.yaml: frozen, strictly typed, unknown keys refused, no number infinite or NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
