"""Run the frozen text encoder over the corpus and keep its token-level output.

Reads   data/<dataset>/tokens.h5
Writes  data/<dataset>/text.h5 (half precision), and data/<dataset>/text_encoder/ where the encoder has no name to be
        fetched by, that is, where it was made from a configuration
Params  text.batch_size, backbones.<backbone>.text_encoder
"""

import numpy as np
from numpy.typing import NDArray

from erc_core.errors import damaged
from erc_core.params.schema import Params, text_params
from erc_core.run.atomic import atomic_folder
from erc_core.run.device import describe_device, pick_device
from erc_core.run.hub import quiet_transformers
from erc_core.run.paths import data_folder
from erc_core.run.progress import progress
from erc_core.run.stage import run_dataset_stage
from erc_core.run.summary import Stopwatch, summary_line
from erc_core.store.ragged import RaggedReader
from erc_core.store.ragged_writer import Attribute, RaggedWriter, params_attribute
from erc_core.text.encoder import FrozenTextEncoder, make_text_encoder, save_text_encoder, weights_checksum

SHARD = 2048


def main(params: Params, dataset: str) -> None:
    """Encode shard by shard, batched by length within a shard, written in the order of the table."""
    folder = data_folder(dataset)
    section = params.selected_backbone.text_encoder
    device = pick_device(params, (section,))
    quiet_transformers()
    with Stopwatch() as watch, RaggedReader(folder / "tokens.h5") as tokens:
        tokens.require_params(text_params(params))
        tokens.require_frames(np.int32, 0)
        vocab_size = tokens.number("vocab_size")
        if (longest := int(tokens.lengths.max(initial=0))) > params.text.max_tokens:
            raise damaged(
                tokens.path, f"has {longest} tokens of a text, but text.max_tokens = {params.text.max_tokens}"
            )
        model = make_text_encoder(section, f"backbones.{params.backbone}.text_encoder", vocab_size)
        with atomic_folder(folder / "text_encoder") as partial:
            if section.source == "config":
                save_text_encoder(model, partial)
        known = int(model.config.vocab_size)
        attributes: dict[str, Attribute] = {
            "encoder": section.name if section.source == "pretrained" else "from configuration",
            "layer": section.layer,
            "text_encoder_checksum": weights_checksum(model),
            "tokenizer_checksum": tokens.word("tokenizer_checksum"),
            **params_attribute(tokens.params),
        }
        encoder = FrozenTextEncoder(model, device, exact=section.source == "config")
        with RaggedWriter(folder / "text.h5", dtype=np.float16, width=encoder.width, attributes=attributes) as writer:
            encoded = (
                embedding
                for start, stop in tokens.shards(SHARD)
                for embedding in encoder(read_tokens(tokens, start, stop, known), params.text.batch_size)
            )
            with progress(encoded, total=len(tokens), desc=f"embed {dataset}", unit="utterance") as shown:
                for utterance_id, embedding in zip(tokens.ids, shown, strict=True):
                    writer.append(utterance_id, embedding)
    notes = f"{tokens.offsets[-1]:,} tokens of width {encoder.width}, on {describe_device(device)}"
    print(summary_line("embed", dataset, utterances=len(tokens), hours=0, seconds=watch.seconds, notes=notes))


def read_tokens(tokens: RaggedReader, start: int, stop: int, known: int) -> list[NDArray[np.int32]]:
    """Return the token ids of utterances start to stop - 1; ErcError where one is not among the `known`, from 0, of the encoder."""
    utterances = tokens.read_range(start, stop)
    for utterance_id, ids in zip(tokens.ids[start:stop], utterances, strict=True):
        if len(ids) and not 0 <= ids.min() <= ids.max() < known:
            told = (
                f"{utterance_id} has the token ids {ids.min()} to {ids.max()}, but the encoder knows 0 to {known - 1}"
            )
            raise damaged(tokens.path, told)
    return utterances


if __name__ == "__main__":
    run_dataset_stage(main)
