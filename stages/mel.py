"""Turn cached speech into log-mel spectrograms.

Reads   data/<dataset>/audio.h5, data/<dataset>/utterances.parquet (which utterances are train)
Writes  data/<dataset>/mel.h5, with the train split's mean and std per bin as attributes
Params  mel
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from erc_core.corpora.table import read_utterances
from erc_core.features.audio import to_float
from erc_core.features.mel import LogMel, RunningMoments
from erc_core.features.shards import Shard, ShardedFeature
from erc_core.features.summary import Stopwatch, summary_line
from erc_core.parallel import processes_for, worker_count
from erc_core.params.data import MelParams
from erc_core.params.schema import Params, data_folder, dump
from erc_core.progress import progress
from erc_core.stage import run_dataset_stage
from erc_core.store.ragged import RaggedReader, RaggedWriter

SHARD = 1024
LEAST = 4  # shards per process: starting one costs seconds, as it imports torch; a small corpus is done in threads of this one
BLOCK = 32  # utterances that a thread takes at a time


def main(params: Params, dataset: str) -> None:
    """Compute spectrograms shard by shard, write them in order, and add the train split's statistics."""
    folder = data_folder(dataset)
    utterances = read_utterances(folder)
    is_train = utterances["split"].eq("train").to_list()
    # absolute, as workers elsewhere have working folders of their own
    path = (folder / "audio.h5").absolute()
    with RaggedReader(path) as audio:
        audio.require_ids(utterances["utterance_id"].to_list(), str(folder / "utterances.parquet"))
        sample_rate = int(audio.attributes["sample_rate"])
        shards = [
            Shard(i, audio.ids[start:stop], [path], {"start": start, "train": is_train[start:stop]})
            for i, (start, stop) in enumerate(audio.shards(SHARD))
        ]
        hours = audio.frame_count / sample_rate / 3600
    moments = RunningMoments(params.mel.n_mels)
    without = 0
    settings = {"mel": dump(params.mel), "sample_rate": sample_rate}
    mel = ShardedFeature(f"mel-{dataset}", settings=settings, dtype=np.float16, width=params.mel.n_mels)
    with Stopwatch() as watch, mel:
        alone = params.parallel.backend == "processes" and processes_for(len(shards), params.parallel, LEAST) == 1
        threads = worker_count(params.parallel) if alone else 1
        work = partial(mel_shard, path=path, params=params.mel, sample_rate=sample_rate, threads=threads)
        computed = mel.make(work, shards, params.parallel, least=LEAST)
        with progress(computed, total=len(shards), desc=f"mel {dataset}", unit="shard") as shown:
            for told in shown:
                without += told["without"]
                moments.add_state(told["train"])
        mean, std = moments.mean_and_std()
        attributes = {"sample_rate": sample_rate, **dump(params.mel), "mean": mean, "std": std}
        mel.merge(folder / "mel.h5", attributes)
    notes = f"{without} without audio"
    print(summary_line("mel", dataset, utterances=len(utterances), hours=hours, seconds=watch.seconds, notes=notes))


def mel_shard(
    shard: Shard, writer: RaggedWriter, path: Path, params: MelParams, sample_rate: int, threads: int
) -> dict[str, Any]:
    """Compute the spectrograms of some utterances; return how many have none, and the moments of the train split's."""
    log_mel = LogMel(params, sample_rate)
    moments = RunningMoments(params.n_mels)
    without = 0
    first, last = shard.details["start"], shard.details["start"] + len(shard.ids)
    with RaggedReader(path) as audio, ThreadPoolExecutor(threads) as executor:
        starts = range(first, last, BLOCK)
        stops = (min(start + BLOCK, last) for start in starts)
        mels = chain.from_iterable(executor.map(partial(mel_block, audio, log_mel), starts, stops))
        for utterance_id, train, mel in zip(shard.ids, shard.details["train"], mels, strict=True):
            writer.append(utterance_id, mel)
            without += len(mel) == 0
            if train:
                moments.add([mel])
    return {"without": without, "train": moments.state()}


def mel_block(audio: RaggedReader, log_mel: LogMel, start: int, stop: int) -> list[NDArray[np.float16]]:
    """Read a few utterances and compute their spectrograms, in a thread."""
    # it holds for the thread that says so: one utterance is too small to share, and the bytes must not depend on the cores
    torch.set_num_threads(1)
    return [log_mel(to_float(samples)) for samples in audio.read_range(start, stop)]


if __name__ == "__main__":
    run_dataset_stage(main)
