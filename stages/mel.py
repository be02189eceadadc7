"""Turn cached speech into log-mel spectrograms.

Reads   data/<dataset>/audio.h5, data/<dataset>/utterances.parquet (which utterances are train)
Writes  data/<dataset>/mel.h5, with the train split's mean and std per bin as attributes
Params  mel
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from erc_core.corpora.table import read_utterances
from erc_core.features.audio import to_float
from erc_core.features.mel import LogMel, RunningMoments
from erc_core.features.shards import Shard, ShardedFeature
from erc_core.features.summary import Stopwatch, summary_line
from erc_core.params.data import MelParams
from erc_core.params.schema import Params, data_folder, dump
from erc_core.progress import progress
from erc_core.stage import run_dataset_stage
from erc_core.store.ragged import RaggedReader, RaggedWriter

SHARD = 1024
LEAST = 4  # shards per process: starting one costs seconds, as it imports torch; a small corpus is done in this one
BLOCK = 64  # utterances read at a time


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
        work = partial(mel_shard, path=path, params=params.mel, sample_rate=sample_rate)
        computed = mel.make(work, shards, params.parallel, least=LEAST)
        for told in progress(computed, total=len(shards), desc=f"mel {dataset}", unit="shard"):
            without += told["without"]
            moments.add_state(told["train"])
        mean, std = moments.mean_and_std()
        attributes = {"sample_rate": sample_rate, **dump(params.mel), "mean": mean, "std": std}
        mel.merge(folder / "mel.h5", attributes)
    notes = f"{without} without audio"
    print(summary_line("mel", dataset, utterances=len(utterances), hours=hours, seconds=watch.seconds, notes=notes))


def mel_shard(shard: Shard, writer: RaggedWriter, path: Path, params: MelParams, sample_rate: int) -> dict[str, Any]:
    """Compute the spectrograms of some utterances; return how many have none, and the moments of the train split's."""
    torch.set_num_threads(1)  # one utterance is too small to share, and the bytes must not depend on the cores
    log_mel = LogMel(params, sample_rate)
    moments = RunningMoments(params.n_mels)
    without = 0
    first = shard.details["start"]
    with RaggedReader(path) as audio:
        for start in range(0, len(shard.ids), BLOCK):
            stop = min(start + BLOCK, len(shard.ids))
            for i, samples in enumerate(audio.read_range(first + start, first + stop), start):
                mel = log_mel(to_float(samples))
                writer.append(shard.ids[i], mel)
                without += len(mel) == 0
                if shard.details["train"][i]:
                    moments.add([mel])
    return {"without": without, "train": moments.state()}


if __name__ == "__main__":
    run_dataset_stage(main)
