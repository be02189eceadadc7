"""Turn cached speech into log-mel spectrograms.

Reads   data/<dataset>/audio.h5, data/<dataset>/utterances.parquet (which utterances are train)
Writes  data/<dataset>/mel.h5, with the train split's mean and std per bin as attributes
Params  mel
"""

from functools import partial

import numpy as np

from erc_core.params.schema import Params, dump, speech_params
from erc_core.run.paths import data_folder
from erc_core.run.pools import processes_for, worker_count
from erc_core.run.progress import progress
from erc_core.run.stage import run_dataset_stage
from erc_core.run.summary import Stopwatch, summary_line
from erc_core.speech.mel import CODE, RunningMoments, mel_shard
from erc_core.speech.shards import Shard, ShardedFeature
from erc_core.store.ragged import RaggedReader
from erc_core.store.ragged_writer import params_attribute
from erc_core.store.utterances import read_utterances

SHARD = 1024
LEAST = 4  # shards per process: starting one costs seconds, as it imports torch; a small corpus is done in threads of this one


def main(params: Params, dataset: str) -> None:
    """Compute spectrograms shard by shard, write them in order, and add the train split's statistics."""
    folder = data_folder(dataset)
    utterances = read_utterances(folder)
    is_train = utterances["split"].eq("train").to_list()
    # absolute, as workers elsewhere have working folders of their own
    path = (folder / "audio.h5").absolute()
    with RaggedReader(path) as audio:
        audio.require_ids(utterances["utterance_id"].to_list(), str(folder / "utterances.parquet"))
        audio.require_params({"audio": dump(params.audio)})
        audio.require_frames(np.int16, 0)
        sample_rate = audio.number("sample_rate")
        shards = [
            Shard(i, audio.ids[start:stop], [path], {"start": start, "train": is_train[start:stop]})
            for i, (start, stop) in enumerate(audio.shards(SHARD))
        ]
        hours = audio.frame_count / sample_rate / 3600
    moments = RunningMoments(params.mel.n_mels)
    without = 0
    settings = {"mel": dump(params.mel), "sample_rate": sample_rate}
    mel = ShardedFeature(f"mel-{dataset}", code=CODE, settings=settings, dtype=np.float16, width=params.mel.n_mels)
    with Stopwatch() as watch, mel:
        alone = params.parallel.backend == "processes" and processes_for(len(shards), params.parallel, LEAST) == 1
        threads = worker_count(params.parallel) if alone else 1
        work = partial(mel_shard, path=path, params=params.mel, sample_rate=sample_rate, threads=threads)
        computed = mel.make(work, shards, params.parallel, least=LEAST)
        with progress(computed, total=len(shards), desc=f"mel {dataset}", unit="shard") as shown:
            for outcome in shown:
                without += outcome["without"]
                moments.add_state(outcome["train"])
        mean, std = moments.mean_and_std()
        made_with = params_attribute(speech_params(params))
        attributes = {"sample_rate": sample_rate, "mean": mean, "std": std, **made_with}
        mel.merge(folder / "mel.h5", attributes)
    notes = f"{without} without audio"
    print(summary_line("mel", dataset, utterances=len(utterances), hours=hours, seconds=watch.seconds, notes=notes))


if __name__ == "__main__":
    run_dataset_stage(main)
