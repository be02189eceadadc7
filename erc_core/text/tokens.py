"""Tokenization: a pretrained tokenizer as it is shipped, or a byte-level one learned from the train split."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from erc_core.errors import damaged, not_found
from erc_core.params.backbones import PretrainedTextEncoder, TextEncoderParams
from erc_core.run.atomic import atomic_file
from erc_core.run.hub import loading_pretrained
from erc_core.store.checksums import seal_folder, verify_folder

TOKENIZER_FILE = "tokenizer.json"
SPECIAL_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]  # RoBERTa's, with its ids


@dataclass(frozen=True)
class Tokens:
    """One utterance's (T,) token ids, special ones included, and whether the text was cut to text.max_tokens."""

    ids: NDArray[np.int32]  # the first is the CLS position (<s>)
    truncated: bool


def make_tokenizer(params: TextEncoderParams, key: str, train_texts: Sequence[str]) -> Tokenizer:
    """Return the text encoder's tokenizer; without pretraining it is learned from texts of the train split.

    ErcError where a pretrained tokenizer cannot be found or read.
    """
    if isinstance(params, PretrainedTextEncoder):
        with loading_pretrained(params.name, f"{key}.name") as source:
            return _pretrained(source)
    return learn_tokenizer(train_texts, params.vocab_size)


def _pretrained(name: str) -> Tokenizer:
    folder = Path(name)
    if (folder / TOKENIZER_FILE).is_file():
        return Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    if not folder.is_dir():
        return Tokenizer.from_pretrained(name)
    # an old folder without tokenizer.json: only transformers knows how to convert it
    from transformers import AutoTokenizer

    backend: Tokenizer = AutoTokenizer.from_pretrained(name).backend_tokenizer
    return backend


def learn_tokenizer(texts: Sequence[str], vocab_size: int) -> Tokenizer:
    """Learn a byte-level BPE tokenizer, framed by <s> and </s> as RoBERTa's is; no text is unknown to it."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
    )
    return tokenizer


def tokenize(tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int) -> list[Tokens]:
    """Tokenize texts, special tokens included, at most max_tokens each."""
    tokenizer.encode_special_tokens = True  # who writes "<unk>" or "<pad>" in a text means the characters
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    encoded = tokenizer.encode_batch(list(texts))
    return [Tokens(np.asarray(encoding.ids, np.int32), bool(encoding.overflowing)) for encoding in encoded]


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write folder/tokenizer.json, and folder/checksums.json."""
    with atomic_file(folder / TOKENIZER_FILE) as partial:
        tokenizer.save(str(partial))
    seal_folder(folder)


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read folder/tokenizer.json; ErcError where the file is missing or damaged."""
    path = folder / TOKENIZER_FILE
    if not path.is_file():
        raise not_found(path, "tokenize")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing more exact
        raise damaged(path, f"damaged ({error})") from None
    verify_folder(folder)
    return tokenizer
