"""Turn cached speech into log-mel spectrograms.

Reads   data/<dataset>/audio.h5, data/<dataset>/utterances.parquet (which utterances are train)
Writes  data/<dataset>/mel.h5, with the train split's mean and std per bin as attributes
Params  mel
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from erc_core.corpora.table import read_utterances
from erc_core.features.audio import to_float
from erc_core.features.mel import LogMel, RunningMoments
from erc_core.features.summary import Stopwatch, summary_line
from erc_core.parallel import map_ordered, worker_count
from erc_core.params.data import MelParams
from erc_core.params.schema import Params, data_folder, dump
from erc_core.progress import progress
from erc_core.stage import run_dataset_stage
from erc_core.store.ragged import RaggedReader, RaggedWriter

# large, so that a small corpus stays in this process, in threads: starting others costs seconds, as each imports torch
SHARD = 4096
BLOCK = 32  # utterances that a thread takes at a time


def main(params: Params, dataset: str) -> None:
    """Compute spectrograms shard by shard, write them in order, and add the train split's statistics."""
    folder = data_folder(dataset)
    utterances = read_utterances(folder)
    is_train = utterances["split"].eq("train").to_list()
    with RaggedReader(folder / "audio.h5") as audio:
        audio.require_ids(utterances["utterance_id"].to_list(), str(folder / "utterances.parquet"))
        sample_rate = int(audio.attributes["sample_rate"])
        shards = list(audio.shards(SHARD))
        hours = audio.frame_count / sample_rate / 3600
    moments = RunningMoments(params.mel.n_mels)
    attributes = {"sample_rate": sample_rate, **dump(params.mel)}
    without = 0
    with (
        Stopwatch() as watch,
        RaggedWriter(folder / "mel.h5", dtype=np.float16, width=params.mel.n_mels, attributes=attributes) as writer,
    ):
        workers = worker_count(params.parallel)
        threads = workers if len(shards) == 1 else 1
        work = partial(mel_shard, path=folder / "audio.h5", params=params.mel, sample_rate=sample_rate, threads=threads)
        computed = map_ordered(work, shards, workers)
        mels = (mel for shard in computed for mel in shard)
        shown = progress(mels, total=len(utterances), desc=f"mel {dataset}", unit="utterance")
        for utterance_id, train, mel in zip(utterances["utterance_id"], is_train, shown, strict=True):
            writer.append(utterance_id, mel)
            without += len(mel) == 0
            if train:
                moments.add([mel])
        mean, std = moments.mean_and_std()
        writer.attributes |= {"mean": mean, "std": std}
    notes = f"{without} without audio"
    print(summary_line("mel", dataset, utterances=len(utterances), hours=hours, seconds=watch.seconds, notes=notes))


def mel_shard(
    shard: tuple[int, int], path: Path, params: MelParams, sample_rate: int, threads: int
) -> list[NDArray[np.float16]]:
    """Compute the spectrograms of a range of utterances, in this process or a worker's."""
    torch.set_num_threads(1)  # one utterance is too small to share, and the bytes must not depend on the cores
    log_mel = LogMel(params, sample_rate)
    with RaggedReader(path) as audio, ThreadPoolExecutor(threads) as executor:
        blocks = (audio.read_range(start, min(start + BLOCK, shard[1])) for start in range(*shard, BLOCK))
        return [mel for mels in executor.map(partial(mel_block, log_mel=log_mel), blocks) for mel in mels]


def mel_block(block: list[NDArray[np.int16]], log_mel: LogMel) -> list[NDArray[np.float16]]:
    """Compute the spectrograms of a few utterances, in a thread."""
    torch.set_num_threads(1)  # it holds for the thread that says so
    return [log_mel(to_float(samples)) for samples in block]


if __name__ == "__main__":
    run_dataset_stage(main)
