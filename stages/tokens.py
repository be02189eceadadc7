"""Turn texts into token ids of the frozen text encoder.

Reads   data/<dataset>/utterances.parquet
Writes  data/<dataset>/tokens.h5, data/<dataset>/tokenizer/
Params  text.max_tokens, backbones.<backbone>.text_encoder
"""

import numpy as np
import polars as pl

from erc_core.params.schema import Params, text_params
from erc_core.run.atomic import atomic_folder
from erc_core.run.paths import data_folder
from erc_core.run.progress import progress
from erc_core.run.stage import run_dataset_stage
from erc_core.run.summary import Stopwatch, summary_line
from erc_core.store.checksums import file_checksum
from erc_core.store.ragged_writer import RaggedWriter, params_attribute
from erc_core.store.utterances import read_utterances
from erc_core.text.tokens import TOKENIZER_FILE, make_tokenizer, save_tokenizer, tokenize


def main(params: Params, dataset: str) -> None:
    """Learn or load the tokenizer, tokenize everything, and count the texts that were cut."""
    folder = data_folder(dataset)
    utterances = read_utterances(folder)
    encoder = params.selected_backbone.text_encoder
    truncated = 0
    with Stopwatch() as watch:
        train_texts = utterances.filter(pl.col("split") == "train")["text"].to_list()
        tokenizer = make_tokenizer(encoder, f"backbones.{params.backbone}.text_encoder", train_texts)
        with atomic_folder(folder / "tokenizer") as partial:
            save_tokenizer(tokenizer, partial)
        attributes = {
            "vocab_size": tokenizer.get_vocab_size(),
            "tokenizer_checksum": file_checksum(folder / "tokenizer" / TOKENIZER_FILE),
            **params_attribute(text_params(params)),
        }
        with RaggedWriter(folder / "tokens.h5", dtype=np.int32, width=None, attributes=attributes) as writer:
            tokens = tokenize(tokenizer, utterances["text"].to_list(), params.text.max_tokens)
            with progress(tokens, total=len(utterances), desc=f"tokenize {dataset}", unit="utterance") as shown:
                for utterance_id, utterance in zip(utterances["utterance_id"], shown, strict=True):
                    writer.append(utterance_id, utterance.ids)
                    truncated += utterance.truncated
            writer.attributes["truncated"] = truncated
    notes = f"{tokenizer.get_vocab_size():,} tokens in the vocabulary, {truncated} texts cut to text.max_tokens"
    print(summary_line("tokenize", dataset, utterances=len(utterances), hours=0, seconds=watch.seconds, notes=notes))


if __name__ == "__main__":
    run_dataset_stage(main)
