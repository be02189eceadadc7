"""Numbers, and a few names, as the report shows them."""

import math
from collections.abc import Sequence

MISSING = "–"
MINUS = "−"
MODALITIES = {"T": "T (text)", "A": "A (speech)", "T+A": "T+A (text and speech)"}
SPLIT_TITLES = {"train": "train", "dev": "dev (validation)", "test": "test"}


def count(number: int) -> str:
    """Return a whole number with separators, such as 12,345."""
    return f"{number:,}"


def percent(fraction: float | None) -> str:
    """Return a fraction as a percentage with one decimal, such as 81.3%; a dash where there is none."""
    return MISSING if fraction is None or not math.isfinite(fraction) else f"{100 * fraction:.1f}%"


def percent_range(low: float | None, high: float | None) -> str:
    """Return an interval of fractions in percent, such as 78.9–83.6%; a dash where there is none."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return MISSING
    return f"{100 * low:.1f}–{100 * high:.1f}%"


def percent_with_range(fraction: float | None, low: float | None, high: float | None) -> str:
    """Return a score with its interval, such as 81.3% (78.9–83.6)."""
    interval = percent_range(low, high)
    return percent(fraction) if interval == MISSING else f"{percent(fraction)} ({interval.removesuffix('%')})"


def hundredths(fraction: float | None) -> str:
    """Return a fraction in percent with two decimals and without the sign, such as 62.82; a dash where there is none."""
    return MISSING if fraction is None else f"{100 * fraction:.2f}".replace("-", MINUS)


def points(difference: float | None) -> str:
    """Return a difference of fractions in percentage points with its sign, such as −4.67 or +0.97."""
    if difference is None:
        return MISSING
    shown = f"{100 * difference:+.2f}".replace("-", MINUS)
    return "0.00" if shown[1:] == "0.00" else shown


def p_value(p: float | None) -> str:
    """Return a p value with three decimals, none of which hides that it is below 0.05; a dash where there was no test."""
    if p is None:
        return MISSING
    if p < 0.001:
        return "<0.001"
    shown = f"{p:.3f}"
    return "<0.05" if p < 0.05 <= float(shown) else shown


def listed(words: Sequence[str]) -> str:
    """Return words as a list in prose, such as a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def first_of(shown: int, total: int) -> str:
    """Say how much of a list is shown, such as all or the first 20 of 31."""
    return "all" if shown == total else f"the first {shown} of {count(total)}"


def plural(number: int, noun: str) -> str:
    """Return a count with its noun, such as 1 dialogue or 60 dialogues."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def duration(seconds: float) -> str:
    """Return a duration, such as 24.1 s, 12 min 5 s or 3 h 4 min."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def value(setting: object) -> str:
    """Return the value of a parameter as params.yaml has it."""
    if setting is None:
        return MISSING
    if isinstance(setting, bool):
        return "true" if setting else "false"
    if isinstance(setting, list):
        return ", ".join(value(element) for element in setting)
    return str(setting)
