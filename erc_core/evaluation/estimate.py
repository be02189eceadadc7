"""A number with the ends of its interval, as records keep it."""

import math
from typing import Self

from pydantic import FiniteFloat

from erc_core.evaluation.records import DECIMALS
from erc_core.store.records import Record


class Estimate(Record):
    """A number and the ends of its interval; None where the split has too few units."""

    value: FiniteFloat
    low: FiniteFloat | None
    high: FiniteFloat | None

    @classmethod
    def of(cls, value: float, low: float, high: float) -> Self:
        """Return the numbers rounded to DECIMALS; an end that is not a number is None."""
        ends = (None if math.isnan(end) else round(end, DECIMALS) for end in (low, high))
        return cls(value=round(value, DECIMALS), low=next(ends), high=next(ends))
