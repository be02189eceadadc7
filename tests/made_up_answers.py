"""Answered conversations as the predictor returns them, of any size, and sound for them."""

import numpy as np
import polars as pl
import soundfile

from erc_core.answers.answered import Answered

LABELS = ["neutral", "joy", "surprise", "sadness", "anger", "fear", "disgust"]
MODEL = {"name": "demo", "fingerprint": "f00dfeed" * 4, "modality": "T+A", "dataset": "demo", "synthetic": True}
SENTENCES = [
    "Did you hear? They have given us the house by the lake.",
    "No.",
    "Yes! The one with the blue door. I can hardly believe it myself.",
    "I am so glad for you, really.",
    "And what does your brother say to that?",
    "He does not speak to me since Sunday, and I do not know why. We were at the station, the train was late, and he just left.",
    "That is not fair. That is really not fair at all!",
    "Well.",
    "Wait, somebody is at the door.",
    "It is only the post.",
]
SPEAKERS = ["Anna", "Bruno"]


def probabilities(n, labels=LABELS, seed=0):
    """(n, C): moods that last a while, some of them certain and some not."""
    rng = np.random.default_rng(seed)
    mood = np.zeros((n, len(labels)))
    for row in range(n):
        mood[row] = 0.8 * mood[row - 1] + rng.normal(0, 1.2, len(labels))
    logits = mood + rng.normal(0, 0.6, (n, len(labels))) + 0.8 * np.eye(len(labels))[0]
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def answered(
    n=20,
    *,
    labels=LABELS,
    texts=SENTENCES,
    speakers=SPEAKERS,
    timed=True,
    recording=None,
    min_confidence=None,
    seed=0,
    title="A house by the lake",
    **columns,
):
    """Return an answer of n utterances; columns replace or add to those made up (a dict of row -> value changes some rows)."""
    rng = np.random.default_rng(seed)
    p = probabilities(n, labels, seed)
    text = [texts[row % len(texts)] for row in range(n)]
    length = np.array([0.5 + 0.055 * min(len(one), 200) for one in text])
    start = np.cumsum(length + rng.uniform(0.1, 0.8, n)) - length
    speaker = (
        [speakers[int(who)] for who in np.cumsum(rng.random(n) < 0.75) % len(speakers)] if speakers else [None] * n
    )
    made = {
        "start": (start if timed else [None] * n),
        "end": (start + length if timed else [None] * n),
        "speaker": speaker,
        "text": text,
        "emotion": [labels[best] for best in p.argmax(axis=1)],
        "confidence": p.max(axis=1),
        **{f"p_{label}": p[:, place] for place, label in enumerate(labels)},
        "status": ["ok"] * n,
        "detail": [""] * n,
    }
    made = {name: list(values) for name, values in made.items()}
    for name, values in columns.items():
        if isinstance(values, dict):
            column = made.setdefault(name, [None] * n)
            for row, value in values.items():
                column[row] = value
        else:
            made[name] = list(values)
    numbers = ("start", "end", "confidence", *(f"p_{label}" for label in labels))
    schema = {name: pl.Float64() for name in numbers} | {
        name: pl.String() for name in ("speaker", "text", "emotion", "audio")
    }
    table = pl.DataFrame(
        made, schema_overrides={name: kind for name, kind in schema.items() if name in made}, strict=False
    )
    if min_confidence is not None:
        table = table.with_columns((pl.col("confidence") < min_confidence).alias("uncertain"))
    return Answered(table, list(labels), dict(MODEL), title, recording, min_confidence)


def unanswered(labels=LABELS, *rows):
    """Return what replaces the columns of rows without an answer."""
    return {name: dict.fromkeys(rows) for name in ("emotion", "confidence", *(f"p_{label}" for label in labels))}


def write_sound(path, seconds, rate=16000):
    """Write a tone that rises from second to second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * rate)) / rate
    soundfile.write(path, 0.2 * np.sin(2 * np.pi * (200 + 20 * np.floor(time)) * time), rate)
    return path
