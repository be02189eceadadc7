"""Whether ONNX Runtime says of made-up utterances what the pipeline says of them."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from erc_core.inference.predict import probabilities_of
from erc_core.inference.processor import UtteranceFeatures, UtteranceProcessor, batch_of
from erc_core.models.classifier import UtteranceClassifier

BATCHES = (1, 3, 1, 2, 5, 8, 13, 17)  # utterances of each: the first two without speech, then the longest alone
UTTERANCES = sum(BATCHES)
LARGEST_DIFFERENCE = 1e-4  # of a probability


class Utterance(NamedTuple):
    """What the exported model reads of an utterance."""

    ids: NDArray[np.int32]  # (T,) token ids
    mel: NDArray[np.float16]  # (frames, M), none where there is no speech


def made_up_batches(model: UtteranceClassifier, processor: UtteranceProcessor) -> list[list[Utterance]]:
    """Return utterances of random tokens and frames, lengths from the shortest to the longest that the model takes."""
    rng = np.random.default_rng(0)
    config, encoder = model.config, processor.encoder
    vocabulary = np.setdiff1d(np.arange(encoder.model.config.vocab_size), [encoder.pad_id])
    mean, std = np.zeros(config.n_mels), np.ones(config.n_mels)
    if model.speech:
        mean, std = (values.numpy() for values in (model.speech.patches.mean, model.speech.patches.std))

    def utterance(tokens: int, frames: int) -> Utterance:
        mel = mean + std * rng.normal(size=(frames, config.n_mels))
        return Utterance(rng.choice(vocabulary, tokens).astype(np.int32), mel.astype(np.float16))

    def any_utterance(*, speaks: bool) -> Utterance:
        frames = rng.integers(1, config.max_frames + 1) if speaks else 0
        return utterance(int(rng.integers(2, processor.max_tokens + 1)), int(frames))

    batches = [[any_utterance(speaks=rng.random() > 0.2) for _ in range(size)] for size in BATCHES]
    batches[0] = [utterance(2, 0)]  # <s> and </s>
    batches[1] = [any_utterance(speaks=False) for _ in batches[1]]
    batches[2] = [utterance(processor.max_tokens, config.max_frames)]
    return batches


@torch.inference_mode()
def expected(
    model: UtteranceClassifier, processor: UtteranceProcessor, temperature: float, batch: list[Utterance]
) -> NDArray[np.float64]:
    """Return (B, C): the probabilities that the pipeline computes, by torch."""
    texts = processor.encoder([utterance.ids for utterance in batch], len(batch))
    features = [UtteranceFeatures(text, utterance.mel) for text, utterance in zip(texts, batch, strict=True)]
    return probabilities_of(model(batch_of(features, np.arange(len(batch)))).logits_BC, temperature)


def as_inputs(batch: list[Utterance], wanted: set[str], more: int = 0) -> dict[str, NDArray[Any]]:
    """Return the inputs of those names; there are `more` frames of padding than the longest needs, and all of it is NaN."""
    tokens, frames = ([len(part) for part in parts] for parts in zip(*batch, strict=True))
    token_ids = np.zeros((len(batch), max(tokens)), np.int64)
    mel = np.full((len(batch), max(frames) + more, batch[0].mel.shape[1]), np.nan, np.float32)
    for row, utterance in enumerate(batch):
        token_ids[row, : tokens[row]] = utterance.ids
        mel[row, : frames[row]] = utterance.mel
    inputs = {"token_ids": token_ids, "tokens": np.array(tokens), "mel": mel, "frames": np.array(frames)}
    return {name: value for name, value in inputs.items() if name in wanted}


def largest_difference(
    path: Path, model: UtteranceClassifier, processor: UtteranceProcessor, temperature: float
) -> float:
    """Return the largest difference of a probability between the file in ONNX Runtime and the model in torch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    wanted = {node.name for node in session.get_inputs()}
    differences = []
    for number, batch in enumerate(made_up_batches(model, processor)):
        (found,) = session.run(None, as_inputs(batch, wanted, more=number % 2))
        differences.append(np.abs(found - expected(model, processor, temperature, batch)).max())
    return float(np.max(differences))  # NaN if one is
