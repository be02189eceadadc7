"""predictions.json: the answer as segments, for programs. docs/predictions.schema.json says what it holds."""

from pathlib import Path
from typing import Any

from erc_core.answers.answered import Answered
from erc_core.answers.paths import relative_path
from erc_core.run.atomic import write_json

SCHEMA_VERSION = "1.0"
MODEL_FACTS = ("name", "fingerprint", "modality", "dataset")


def write_predictions_json(answered: Answered, path: Path) -> None:
    """Write the segments in the order of the table; what is unknown is null."""
    recording = answered.recording
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "title": answered.title,
        "model": {name: answered.model.get(name) for name in MODEL_FACTS} | {"labels": answered.labels},
        "recording": None if recording is None else relative_path(recording, path.parent),
        "min_confidence": answered.min_confidence,
        "speakers": list(dict.fromkeys(one.speaker for one in answered.utterances if one.speaker)),
        "segments": [
            {
                "id": one.number,
                "start": one.start,
                "end": one.end,
                "speaker": one.speaker,
                "text": one.text,
                "audio": relative_path(one.audio, path.parent) if one.audio and recording is None else None,
                "emotion": one.emotion,
                "confidence": one.confidence,
                "probabilities": one.probabilities,
                "status": one.status,
                "detail": one.detail,
                "uncertain": one.is_uncertain,
            }
            for one in answered.utterances
        ],
    }
    write_json(path, content)
