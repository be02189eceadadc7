"""Text embedding: tokens per second of the frozen encoder, ours against a plain transformers loop in file order.

Run as `python -m benchmarks.embed_text`; README.md of this folder tells how to read what it writes.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from benchmarks.harness import Contender, command_line, fastest_peer, finish, goal, measure, summarize
from erc_core.corpora.demo.script import write_script
from erc_core.params.backbones import TextEncoderFromConfig, TextEncoderParams
from erc_core.params.data import DemoParams
from erc_core.params.load import load_params
from erc_core.params.schema import Params
from erc_core.run.hub import quiet_transformers
from erc_core.text.encoder import FrozenTextEncoder, make_text_encoder
from erc_core.text.tokens import make_tokenizer, tokenize
from stages.embed import SHARD

NAME = "embed_text"
ROOT = Path(__file__).parents[1]
PACKAGES = ("numpy", "tokenizers", "torch", "transformers")
OURS, PLAIN = "ours", "plain loop"
# of a value's size, in units of the largest value: rounding to half precision, and computing in it
TOLERANCE = {"cpu": 1e-3, "cuda": 2e-2}

# Words of an utterance: their logarithm is about normal. MELD has 8 on average, and 69 at most.
WORDS_MEDIAN, WORDS_SPREAD, WORDS_MOST = 6.5, 0.7, 69
# RoBERTa-base's sizes, with random weights: it computes as fast as the pretrained one, and nothing is downloaded
BASE = TextEncoderFromConfig(
    source="config", width=768, depth=12, heads=12, mlp_ratio=4.0, vocab_size=5000, layer=12, seed=0
)
CPU_LAYERS = 2  # of its 12: all of them do the same work, and take a CPU minutes

Embeddings = list[NDArray[np.float16]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, compare the embeddings, and write the JSON; returns the exit status."""
    options = parse(arguments)
    params = load_params(ROOT / "params.yaml")
    quiet_transformers()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    texts = (
        options.texts.read_text(encoding="utf-8").splitlines()[: options.utterances]
        if options.texts
        else make_texts(params.demo, options.utterances)
    )
    section = encoder_section(options.encoder, device, params)
    tokenizer, model = load_encoder(section, texts)
    ids = [tokens.ids for tokens in tokenize(tokenizer, texts, params.text.max_tokens)]
    batch_size = options.batch_size or params.text.batch_size
    encoder = FrozenTextEncoder(model, device)
    kept: dict[str, Embeddings] = {}

    def keep(name: str, embed: Callable[[], Embeddings]) -> None:
        kept[name] = embed()

    contenders = [
        Contender(OURS, partial(keep, OURS, partial(ours, encoder, ids, batch_size)), role="ours"),
        Contender(PLAIN, partial(keep, PLAIN, partial(plain_loop, encoder.model, ids, batch_size, device))),
    ]
    print(
        f"{len(ids):,} utterances, {sum(map(len, ids)):,} tokens, {options.rounds} rounds", file=sys.stderr, flush=True
    )
    group = f"{options.encoder}, {device.type}"
    rows = summarize(measure(contenders, options.rounds))
    tokens = sum(map(len, ids))
    for r in rows:
        r["tokens_per_second"] = tokens / r["seconds"]["median"]
        r["note"] = f"{r['tokens_per_second']:,.0f} tokens per second"
    lengths = np.array([len(row) for row in ids])
    agree = finish(
        NAME,
        rounds=options.rounds,
        settings={
            "encoder": options.encoder,
            "layers": section.layer,
            "device": device.type,
            "threads": options.threads,
            "batch_size": batch_size,
            "texts": "given" if options.texts else "made up, with lengths like MELD's",
            "utterances": len(ids),
            "tokens": tokens,
            "longest": int(lengths.max()),
            "padded_share_in_file_order": padded_share(lengths, batch_size),
            "padded_share_ours": padded_share(
                np.concatenate([np.sort(lengths[start : start + SHARD]) for start in range(0, len(ids), SHARD)]),
                batch_size,
            ),
        },
        packages=PACKAGES,
        groups={group: rows},
        outputs=[{"contender": PLAIN, **compare(kept[OURS], kept[PLAIN], TOLERANCE[device.type])}],
        goals=[goal("times faster than the plain loop, at least 2", fastest_peer(rows), at_least=2.0)],
        folder=options.results,
    )
    return 0 if agree else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line(NAME, __doc__)
    parser.add_argument("--utterances", type=int, default=512, help="utterances, at most")
    parser.add_argument("--texts", type=Path, help="a file of one utterance a line; without it, texts are made up")
    parser.add_argument(
        "--encoder",
        choices=("base", "paper", "tiny"),
        default="base",
        help="RoBERTa-base's sizes with random weights, or the encoder of a backbone in params.yaml",
    )
    parser.add_argument("--batch-size", type=int, help="utterances in a forward pass; without it, text.batch_size")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of everyone, on a CPU")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args(arguments)


def encoder_section(name: str, device: torch.device, params: Params) -> TextEncoderParams:
    """Return the sizes of the encoder to run."""
    if name != "base":
        return params.backbones[name].text_encoder
    return BASE if device.type == "cuda" else BASE.model_copy(update={"depth": CPU_LAYERS, "layer": CPU_LAYERS})


def make_texts(demo: DemoParams, utterances: int) -> list[str]:
    """Return utterances of the demo corpus's words, with numbers of words spread as MELD's are."""
    words = cycle(word for dialogue in write_script(demo) for turn in dialogue.turns for word in turn.text.split())
    rng = np.random.default_rng(0)
    counts = np.rint(WORDS_MEDIAN * np.exp(WORDS_SPREAD * rng.standard_normal(utterances))).clip(1, WORDS_MOST)
    return [" ".join(next(words) for _ in range(int(count))) for count in counts]


def load_encoder(section: TextEncoderParams, texts: Sequence[str]) -> tuple[Tokenizer, PreTrainedModel]:
    """Return tokenizer and encoder as the stages tokenize and embed make them."""
    tokenizer = make_tokenizer(section, "text_encoder", texts)
    return tokenizer, make_text_encoder(section, "text_encoder", tokenizer.get_vocab_size())


def ours(encoder: FrozenTextEncoder, ids: Sequence[NDArray[np.int32]], batch_size: int) -> Embeddings:
    """Embed as the stage does: shard by shard, batched by length within a shard, half precision on a GPU."""
    return [
        embedding
        for start in range(0, len(ids), SHARD)
        for embedding in encoder(ids[start : start + SHARD], batch_size)
    ]


@torch.inference_mode()
def plain_loop(
    model: PreTrainedModel, ids: Sequence[NDArray[np.int32]], batch_size: int, device: torch.device
) -> Embeddings:
    """Embed as one writes it first: batches in file order, each padded to its longest, in the precision of the weights."""
    embeddings: Embeddings = []
    for start in range(0, len(ids), batch_size):
        rows = [torch.from_numpy(row.astype(np.int64)) for row in ids[start : start + batch_size]]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=model.config.pad_token_id or 0)
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
        output = model(input_ids=padded.to(device), attention_mask=mask.to(device)).last_hidden_state
        half = output.to(torch.float16).cpu().numpy()
        embeddings += [half[place, : len(row)].copy() for place, row in enumerate(rows)]
    return embeddings


def padded_share(lengths: NDArray[np.int64], batch_size: int) -> float:
    """Return the share of computed positions that are padding, for batches in the order given."""
    batches = [lengths[start : start + batch_size] for start in range(0, len(lengths), batch_size)]
    return 1 - float(lengths.sum() / sum(len(batch) * batch.max() for batch in batches))


def compare(own: Embeddings, other: Embeddings, tolerance: float) -> dict[str, Any]:
    """Compare embeddings, in units of the largest value."""
    same_shape = [row.shape for row in own] == [row.shape for row in other]
    largest = mean = scale = 0.0
    if same_shape:
        first, second = (np.concatenate(rows).astype(np.float32) for rows in (own, other))
        difference = np.abs(first - second)
        scale = float(np.abs(first).max())
        largest, mean = float(difference.max()) / scale, float(difference.mean()) / scale
    return {
        "same shapes": same_shape,
        "largest value": scale,
        "max difference / largest": largest,
        "mean difference / largest": mean,
        "tolerance": tolerance,
        "agrees": same_shape and largest <= tolerance,
    }


if __name__ == "__main__":
    sys.exit(main())
