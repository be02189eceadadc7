"""What the page says about utterances, times and models, in words."""

from collections.abc import Mapping
from typing import Any

STATUS = {
    "ok": "",
    "cut_off": "recording cut off",
    "damaged": "recording damaged",
    "too_long": "longer than the model listens",
    "missing": "no audio",
    "undecodable": "audio cannot be read",
    "empty": "audio is empty",
    "too_short": "too short to be heard",
    "not_finite": "audio is broken",
    "silent": "silent",
    "overlapping": "overlapping",
    "backwards": "backwards",
    "outside": "outside the recording",
    "no_text": "no words",
}
READS = {"T": "reads the text", "A": "listens to the speech", "T+A": "reads the text and listens to the speech"}


def status_in_words(status: str) -> str:
    """Return what a status means; one without words of its own as it is called."""
    return STATUS.get(status, status.replace("_", " "))


def clock(seconds: float) -> str:
    """Return a time as m:ss or h:mm:ss."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def length_in_words(seconds: float) -> str:
    """Return a length as 42 s, 3 min 20 s, or 1 h 2 min."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def model_in_words(model: Mapping[str, Any]) -> str:
    """Return what the model does and was trained on, as the rest of a sentence that begins with its name."""
    parts = [READS.get(str(model.get("modality")), "")]
    if dataset := model.get("dataset"):
        parts.append(f"was trained on {dataset}")
    return " and ".join(filter(None, parts))
