"""A corpus of features made of random numbers, small enough to train on in seconds."""

from pathlib import Path

import numpy as np
import polars as pl

from erc_core.params.schema import Params, feature_widths, speech_params, text_params
from erc_core.store.ingest import IngestRecord
from erc_core.store.ragged_writer import RaggedWriter, params_attribute
from erc_core.store.utterances import check_utterances, write_utterances

TEXT_WIDTH, N_MELS = 16, 32
EMOTIONS = ("neutral", "joy", "anger")


def write_features(
    folder: Path, per_split: dict[str, int], params: Params | None = None, *, audio: bool = True
) -> None:
    """Write utterances.parquet, text.h5 and mel.h5 in which the emotion shows in both modalities.

    A stage takes them if they say that they were made with its params.
    """
    rng = np.random.default_rng(0)
    rows = [
        {
            "utterance_id": f"{split}_{n}",
            "split": split,
            "dialogue_id": f"{split}_dia{n // 4}",
            "turn": n % 4,
            "speaker": f"s{n % 3}",
            "text": f"text {n}",
            "emotion": EMOTIONS[n % 3],
            "audio_path": None,
            "status": "ok",
        }
        for split, count in per_split.items()
        for n in range(count)
    ]
    utterances = check_utterances(pl.DataFrame(rows), "made up")
    write_utterances(utterances, folder)
    IngestRecord(ingest={"format": "table"}, clips="raw", synthetic=True, facts={}, issues=[]).write(folder)
    text_made, speech_made = (params_attribute(of(params)) if params else {} for of in (text_params, speech_params))
    text_width, n_mels = feature_widths(params) if params else (TEXT_WIDTH, N_MELS)
    text_width = text_width or TEXT_WIDTH
    statistics = {"mean": np.zeros(n_mels, np.float32), "std": np.ones(n_mels, np.float32)}
    text_made |= dict.fromkeys(("tokenizer_checksum", "text_encoder_checksum"), "0" * 32)
    with (
        RaggedWriter(folder / "text.h5", dtype=np.float16, width=text_width, attributes=text_made) as text,
        RaggedWriter(folder / "mel.h5", dtype=np.float16, width=n_mels, attributes=statistics | speech_made) as mel,
    ):
        for place, row in enumerate(utterances.iter_rows(named=True)):
            emotion = EMOTIONS.index(row["emotion"])
            tokens = rng.normal(size=(rng.integers(3, 9), text_width))
            tokens[:, emotion] += 2
            frames = rng.normal(size=(0 if place % 7 == 5 or not audio else rng.integers(5, 70), n_mels))
            frames[:, 8 * emotion : 8 * emotion + 8] += 2
            text.append(row["utterance_id"], tokens)
            mel.append(row["utterance_id"], frames)
