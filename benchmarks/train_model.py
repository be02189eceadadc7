"""Training: utterances per second and peak memory of ours against the ways that public code trains on.

Run as `python -m benchmarks.train_model`; README.md of this folder tells how to read what it writes.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.harness import Contender, command_line, finish, goal, measure, summarize
from benchmarks.meld_like import LABELS, Corpus, make_corpus, write_features
from benchmarks.plain_model import PlainJFM
from erc_core.inference.feature_set import FeatureSet
from erc_core.inference.predict import resolve_precision
from erc_core.models.batch import Batch, Output
from erc_core.params.load import check_params, load_params
from erc_core.params.schema import Params, dump
from erc_core.run.hub import quiet_transformers
from erc_core.speech.mel import LogMel
from erc_core.text.encoder import FrozenTextEncoder, make_text_encoder
from erc_core.training.build import make_task
from erc_core.training.losses import training_loss
from erc_core.training.settings import training_settings

NAME = "train_model"
ROOT = Path(__file__).parents[1]
PACKAGES = ("numpy", "timm", "torch", "transformers")
TINY_VOCABULARY = 600
MIB = 2**20
# dense bfloat16 multiply-adds, as two operations, by the cards' data sheets
PEAK_FLOPS = {"H100 80GB HBM3": 989e12, "H100 PCIe": 756e12, "H200": 989e12, "A100": 312e12}
# the paper's backbone with random weights: it computes as fast as the pretrained one, and nothing is downloaded
PAPER_SIZES: dict[str, Any] = {
    "text_encoder": {"source": "config", "width": 768, "depth": 12, "heads": 12, "mlp_ratio": 4.0, "vocab_size": 5000,
                     "layer": 12, "seed": 0},
    "bert": {"source": "config", "width": 768, "depth": 12, "heads": 12, "mlp_ratio": 4.0},
    "vit": {"source": "config", "width": 768, "depth": 12, "heads": 12, "mlp_ratio": 4.0},
}  # fmt: skip

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Epoch:
    """One epoch as somebody trains it: the batches, and what the model reads of each.

    Attributes:
        name: Of the contender.
        batches: Places of the utterances of each batch.
        load: From places to a batch.
        plain: Whether the model is the plain one, and optimizer and loss as one writes them first.
    """

    name: str
    batches: Callable[[], list[Places]]
    load: Callable[[Places], Batch]
    plain: bool


class Bench:
    """A corpus, a model, and everyone's way to train one on the other."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        """Open the features, and make the corpus again that they were made of.

        Args:
            folder: Where `prepare` wrote them.
            options: The command line.
        """
        self.options, self.folder = options, folder
        self.device = torch.device(options.device)
        self.params = benchmark_params(options.backbone)
        self.corpus = corpus_of(self.params, options)
        self.features = FeatureSet(folder, LABELS, how="memory")
        settings = training_settings(self.params, "demo", self.device).model_copy(
            update={"seed": 0, "patchout": 0.0, "freq_mask": 0.0, "time_mask": 0.0}
        )
        self.task = make_task(self.params, list(LABELS), self.features, settings, self.device)
        self.model = self.task.model
        self.plain = PlainJFM(self.model)
        self.log_mel = LogMel(self.params.mel, self.params.audio.sample_rate)
        self.batch_size = self.params.train.batch_size
        self.weights = {name: weight.clone() for name, weight in self.model.state_dict().items()}

    def epochs(self) -> list[Epoch]:
        """Return everyone."""
        return [
            Epoch("ours", lambda: self.task.batches(seed=0, epoch=1), self.features.batch, plain=False),
            Epoch("padded to the batch", self._shuffled, self.read, plain=True),
            Epoch("... by dialogues", self._dialogues, self.read, plain=True),
            Epoch("... features made again", self._shuffled, self.make_again, plain=True),
            Epoch("padded to the corpus", self._shuffled, self.read_whole, plain=True),
        ]

    def _shuffled(self) -> list[Places]:
        order = np.random.default_rng(0).permutation(len(self.features.labels))
        return [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]

    def _dialogues(self) -> list[Places]:
        """Whole dialogues until a batch has at least the utterances of the others' batches."""
        batches: list[list[int]] = [[]]
        for number in np.random.default_rng(0).permutation(len(self.corpus.dialogues)):
            if len(batches[-1]) >= self.batch_size:
                batches.append([])
            batches[-1] += self.corpus.dialogues[number].tolist()
        return [np.array(batch, np.int64) for batch in batches]

    # ---- what the model reads of a batch ----

    def read(self, places: Places) -> Batch:
        """Read each utterance of the batch from the HDF5 file anew, as a Dataset without a cache in memory does."""
        text, mel = self.lazy.text, self.lazy.mel
        return self._batch(
            places,
            pad_sequence([torch.from_numpy(text.frames_of(int(p))).float() for p in places], batch_first=True),
            pad_sequence([torch.from_numpy(mel.frames_of(int(p))).float() for p in places], batch_first=True),
        )

    def read_whole(self, places: Places) -> Batch:
        """Take rows of two arrays in which every utterance is as long as the corpus's longest."""
        text, mel = self.whole
        return self._batch(places, text[places], mel[places])

    @torch.no_grad()
    def make_again(self, places: Places) -> Batch:
        """Run the frozen encoder and the spectrogram for every batch of every epoch."""
        ids = [torch.from_numpy(self.corpus.tokens[place].astype(np.int64)) for place in places]
        mask = pad_sequence([torch.ones_like(row) for row in ids], batch_first=True).to(self.device)
        padded = pad_sequence(ids, batch_first=True, padding_value=self.encoder.pad_id).to(self.device)
        text = self.encoder.model(input_ids=padded, attention_mask=mask).last_hidden_state
        mel = pad_sequence(
            [torch.from_numpy(self.log_mel(self.corpus.speech[place])).float() for place in places], batch_first=True
        )
        return self._batch(places, text, mel)

    @cached_property
    def lazy(self) -> FeatureSet:
        """The features, left in their files."""
        return FeatureSet(self.folder, LABELS, how="lazy")

    @cached_property
    def whole(self) -> tuple[Tensor, Tensor]:
        """The features of the corpus as two padded arrays, made once."""
        every = self.read(np.arange(len(self.features.labels)))
        return every.text_BTE, every.mel_BFM

    @cached_property
    def encoder(self) -> FrozenTextEncoder:
        """The frozen encoder."""
        return frozen_encoder(self.params, self.device)

    def _batch(self, places: Places, text: Tensor, mel: Tensor) -> Batch:
        features = self.features
        return Batch(
            text_BTE=text,
            tokens_B=torch.from_numpy(features.text.lengths[places]),
            mel_BFM=mel,
            frames_B=torch.from_numpy(features.mel.lengths[places]),
            labels_B=torch.from_numpy(features.labels[places]),
            index_B=torch.from_numpy(places),
        )

    # ---- an epoch ----

    def fresh(self) -> None:
        """Put the first weights back."""
        self.model.load_state_dict(self.weights)
        self.model.train()

    def run(self, epoch: Epoch) -> None:
        """Train an epoch: forward, loss, backward, clipping, optimizer."""
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        # everyone has torch's Adam; fused is not its default
        optimizer = torch.optim.Adam(trained, lr=1e-4, fused=None if epoch.plain else True)
        logged: list[float | Tensor] = []
        for places in epoch.batches():
            optimizer.zero_grad()
            if epoch.plain:
                batch = epoch.load(places).to(self.device)
                losses = training_loss(self.plain(batch), batch.labels_B, self.params.icl)
                losses.total.backward()  # type: ignore[no-untyped-call]
            else:
                losses = self.task.learn(places)
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            logged.append(losses.total.item() if epoch.plain else losses.total.detach())
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    @torch.no_grad()
    def compare(self, epoch: Epoch) -> dict[str, Any]:
        """Compare a contender's logits of all utterances with ours, in float32 and with the same weights."""
        self.fresh()
        self.model.eval()
        difference = 0.0
        for places in epoch.batches():
            theirs: Output = (self.plain if epoch.plain else self.model)(epoch.load(places).to(self.device))
            ours: Output = self.model(self.features.batch(places).to(self.device))
            difference = max(difference, float((theirs.logits_BC - ours.logits_BC).abs().max()))
        seen = np.sort(np.concatenate(epoch.batches()))
        whole = bool(np.array_equal(seen, np.arange(len(self.features.labels))))
        tolerance = 2e-2 if self.device.type == "cuda" or "again" in epoch.name else 1e-3  # cached in half precision
        return {
            "contender": epoch.name,
            "every utterance once": whole,
            "max difference of logits": difference,
            "tolerance": tolerance,
            "agrees": whole and difference <= tolerance,
        }

    def padded_share(self, epoch: Epoch) -> float:
        """Return the share of mel frames that are computed and are padding."""
        real = padded = 0
        for places in epoch.batches():
            batch = epoch.load(places)
            real += int(batch.frames_B.sum())
            padded += batch.mel_BFM.shape[0] * batch.mel_BFM.shape[1]
        return 1 - real / padded

    def flops(self) -> int:
        """Return the floating point operations of our epoch, forward and backward, matrix products only."""
        total = 0
        self.fresh()
        for places in self.task.batches(seed=0, epoch=1):
            with FlopCounterMode(display=False) as counter:
                self.task.learn(places)
            total += counter.get_total_flops()
        return total


def benchmark_params(backbone: str) -> Params:
    """Return params.yaml's parameters; with "paper", the paper's sizes and random weights."""
    params = load_params(ROOT / "params.yaml")
    if backbone == "tiny":
        return params
    content = dump(params)
    content["backbone"] = "paper"
    content["backbones"]["paper"] |= PAPER_SIZES
    return check_params(content)


def corpus_of(params: Params, options: argparse.Namespace) -> Corpus:
    """Return the corpus that everyone trains on."""
    return make_corpus(options.utterances, TINY_VOCABULARY, params.audio.sample_rate)


def frozen_encoder(params: Params, device: torch.device) -> FrozenTextEncoder:
    """Return the frozen encoder that the cached text features come from."""
    section = params.selected_backbone.text_encoder
    return FrozenTextEncoder(make_text_encoder(section, "text_encoder", TINY_VOCABULARY), device)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, compare the logits, and write the JSON; returns the exit status."""
    options = parse(arguments)
    quiet_transformers()
    torch.set_num_threads(options.threads)
    params = benchmark_params(options.backbone)
    device = torch.device(options.device)
    with tempfile.TemporaryDirectory(prefix="erc-benchmark-") as scratch:
        folder = Path(scratch) / "features"
        corpus = corpus_of(params, options)
        write_features(corpus, folder, frozen_encoder(params, device), params.mel, params.audio.sample_rate)
        bench = Bench(folder, options)
        epochs = bench.epochs()
        print(f"{options.utterances:,} utterances, {options.rounds} rounds", file=sys.stderr, flush=True)
        outputs = [bench.compare(epoch) for epoch in epochs]
        shares = {epoch.name: bench.padded_share(epoch) for epoch in epochs}
        contenders = [
            Contender(epoch.name, partial(bench.run, epoch), bench.fresh, role="peer" if epoch.plain else "ours")
            for epoch in epochs
        ]
        rows = summarize(measure(contenders, options.rounds))
        memory = {epoch.name: peak_memory(folder, options, epoch.name) for epoch in epochs}
        flops = bench.flops()
        bench.features.close()
        bench.lazy.close()
    for r in rows:
        r["utterances_per_second"] = options.utterances / r["seconds"]["median"]
        r["peak_memory_mib"], r["padded_share"] = memory[r["name"]], shares[r["name"]]
        held = "" if r["peak_memory_mib"] is None else f"{r['peak_memory_mib']:,.0f} MiB, "
        r["note"] = f"{r['utterances_per_second']:,.0f} utterances/s, {held}{100 * r['padded_share']:.0f}% padding"
    ratio = {r["name"]: r["times_ours"]["median"] for r in rows}
    reached = flops / rows[0]["seconds"]["median"]
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    peak = next((value for name, value in PEAK_FLOPS.items() if name in card), None)
    wanted = 5.0 if device.type == "cuda" else 3.0
    named = [ratio[name] for name in ("... by dialogues", "... features made again", "padded to the corpus")]
    agree = finish(
        NAME if options.backbone == "tiny" else f"{NAME}_{options.backbone}",
        rounds=options.rounds,
        settings={
            "backbone": options.backbone,
            "device": card or "CPU",
            "threads": options.threads,
            "batch_size": bench.batch_size,
            "utterances": options.utterances,
            "precision of ours": resolve_precision(params.train.precision, device),
            "memory": "peak of the GPU" if device.type == "cuda" else "resident, beyond that of the process before",
            "floating point operations of an epoch": flops,
            "reached per second": reached,
            "model FLOP utilisation": None if peak is None else reached / peak,
        },
        packages=PACKAGES,
        groups={f"{options.backbone}, {device.type}": rows},
        outputs=outputs,
        goals=[
            goal(
                f"times faster than whole-corpus padding, at least {wanted:g}",
                ratio["padded to the corpus"],
                at_least=wanted,
            ),
            goal(
                f"times faster than the fastest of those three ways, at least {wanted:g}", min(named), at_least=wanted
            ),
        ],
        folder=options.results,
    )
    return 0 if agree else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line(NAME, __doc__)
    parser.add_argument("--utterances", type=int, default=512, help="utterances of an epoch")
    parser.add_argument(
        "--backbone", choices=("tiny", "paper"), default="tiny", help="paper: its sizes, random weights"
    )
    parser.add_argument("--threads", type=int, default=1, help="of everyone, on a CPU")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args(arguments)


def peak_memory(folder: Path, options: argparse.Namespace, name: str) -> float | None:
    """Return the MiB that an epoch of a contender takes beyond what its process, a new one, held before it; Linux or a GPU."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_memory, (folder, options, name))


def _peak_memory(folder: Path, options: argparse.Namespace, name: str) -> float | None:
    quiet_transformers()
    torch.set_num_threads(options.threads)
    bench = Bench(folder, options)
    epoch = next(epoch for epoch in bench.epochs() if epoch.name == name)
    bench.fresh()
    # the first step loads code that every contender needs, such as torch's optimizers
    bench.run(replace(epoch, batches=lambda: [np.arange(2)], load=bench.features.batch, plain=True))
    if bench.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(bench.device)
        bench.run(epoch)
        return torch.cuda.max_memory_allocated(bench.device) / MIB
    status = Path("/proc/self/status")
    if not status.exists():
        return None  # elsewhere the peak of the imports cannot be forgotten
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before: int = psutil.Process().memory_info().rss
    bench.run(epoch)
    peak = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024 - before / MIB


if __name__ == "__main__":
    sys.exit(main())
