"""Cached features with the sizes of MELD's, without MELD: lengths like its own, numbers at random."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from erc_core.params.data import MelParams
from erc_core.speech.mel import LogMel, RunningMoments
from erc_core.store.ragged_writer import RaggedWriter
from erc_core.store.utterances import SCHEMA, write_utterances
from erc_core.text.encoder import FrozenTextEncoder

LABELS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
# logarithms are about normal: MELD's utterances have 8 words (some 11 tokens) and last 3.2 s on average, a few last 16 s or more
TOKENS_MEDIAN, TOKENS_SPREAD, TOKENS_LEAST, TOKENS_MOST = 10.0, 0.6, 3, 90
SECONDS_MEDIAN, SECONDS_SPREAD, SECONDS_LEAST, SECONDS_MOST = 2.4, 0.7, 0.2, 16.0
DIALOGUE_MEAN, DIALOGUE_MOST = 9.6, 33


@dataclass(frozen=True)
class Corpus:
    """What the features were made of, for those who make them again in every epoch.

    Attributes:
        tokens: (T,) ids of each utterance.
        speech: (samples,) float32 of each utterance.
        dialogues: Places of the utterances of each dialogue.
    """

    tokens: list[NDArray[np.int32]]
    speech: list[NDArray[np.float32]]
    dialogues: list[NDArray[np.int64]]


def make_corpus(utterances: int, vocab_size: int, sample_rate: int, seed: int = 0) -> Corpus:
    """Draw token ids, and noise as speech, with the lengths of MELD's utterances and dialogues.

    Args:
        utterances: How many.
        vocab_size: Of the encoder.
        sample_rate: Of the speech, Hz.
        seed: Of everything.
    """
    rng = np.random.default_rng(seed)

    def lengths(middle: float, spread: float, least: float, most: float) -> NDArray[np.float64]:
        drawn: NDArray[np.float64] = middle * np.exp(spread * rng.standard_normal(utterances))
        return drawn.clip(least, most)

    counts = lengths(TOKENS_MEDIAN, TOKENS_SPREAD, TOKENS_LEAST, TOKENS_MOST).round().astype(int)
    samples = (sample_rate * lengths(SECONDS_MEDIAN, SECONDS_SPREAD, SECONDS_LEAST, SECONDS_MOST)).astype(int)
    sizes = rng.geometric(1 / DIALOGUE_MEAN, utterances).clip(1, DIALOGUE_MOST)
    ends = np.minimum(np.cumsum(sizes), utterances)
    ends = ends[: int(np.searchsorted(ends, utterances)) + 1]
    return Corpus(
        tokens=[rng.integers(4, vocab_size, count).astype(np.int32) for count in counts],
        speech=[0.1 * rng.standard_normal(count, dtype=np.float32) for count in samples],
        dialogues=np.split(np.arange(utterances), ends[:-1]),
    )


def write_features(corpus: Corpus, folder: Path, encoder: FrozenTextEncoder, mel: MelParams, sample_rate: int) -> None:
    """Write utterances.parquet, text.h5 and mel.h5 as the stages do, all utterances in the train split.

    Args:
        corpus: What to write.
        folder: Where to.
        encoder: The frozen text encoder.
        mel: Section mel.
        sample_rate: Of the speech, Hz.
    """
    log_mel, moments = LogMel(mel, sample_rate), RunningMoments(mel.n_mels)
    ids = [f"u{index:05d}" for index in range(len(corpus.tokens))]
    dialogue_of = {int(place): number for number, places in enumerate(corpus.dialogues) for place in places}
    rng = np.random.default_rng(0)
    rows = [
        (name, "train", f"d{dialogue_of[index]}", index, "speaker", "text", str(rng.choice(LABELS)), None, "ok")
        for index, name in enumerate(ids)
    ]
    folder.mkdir(parents=True)
    write_utterances(pl.DataFrame(rows, schema=SCHEMA, orient="row"), folder)
    with RaggedWriter(folder / "text.h5", dtype=np.float16, width=encoder.width, attributes={}) as writer:
        for name, embedding in zip(ids, encoder(corpus.tokens, 64), strict=True):
            writer.append(name, embedding)
    with RaggedWriter(folder / "mel.h5", dtype=np.float16, width=mel.n_mels, attributes={}) as writer:
        for name, speech in zip(ids, corpus.speech, strict=True):
            frames = log_mel(speech)
            moments.add([frames])
            writer.append(name, frames)
        mean, std = moments.mean_and_std()
        writer.attributes |= {"mean": mean, "std": std}
