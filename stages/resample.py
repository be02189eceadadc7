"""Decode every clip of a corpus to mono speech at one sample rate.

Reads   data/<dataset>/utterances.parquet, data/<dataset>/ingest.json; clips in data/raw/<dataset>/ or data/<dataset>/unpacked/
Writes  data/<dataset>/audio.h5 (16-bit samples), data/<dataset>/clips.parquet (status of each clip, with its reason)
Params  audio, ingest.<dataset>
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from erc_core.errors import ErcError
from erc_core.params.schema import Params, dump
from erc_core.run.paths import data_folder, raw_folder
from erc_core.run.progress import progress
from erc_core.run.stage import run_dataset_stage
from erc_core.run.summary import Stopwatch, summary_line
from erc_core.speech.audio import CODE, decode_shard
from erc_core.speech.shards import Shard, ShardedFeature
from erc_core.store.clips import ClipStatus, count_statuses, write_clips
from erc_core.store.ingest import IngestRecord
from erc_core.store.ragged_writer import params_attribute
from erc_core.store.utterances import read_utterances

SHARD = 32  # clips: few, so that the last ones leave no process idle for long; a part costs some milliseconds
SHARD_ROWS = 20_000  # with rows that have no clip, which cost nothing


def main(params: Params, dataset: str) -> None:
    """Decode in shards, write in the order of the table, and count what failed."""
    folder = data_folder(dataset)
    utterances = read_utterances(folder)
    unpacked = IngestRecord.read(folder).clips == "unpacked"
    clip_folder = folder / "unpacked" if unpacked else raw_folder(dataset, params.ingest[dataset])
    if not clip_folder.is_dir() and utterances["audio_path"].count():
        raise ErcError(
            f"{clip_folder}: no such folder, but ingest found {utterances['audio_path'].count():,} clips there; put it back"
        )
    # absolute, as workers elsewhere have working folders of their own
    clip_folder = clip_folder.absolute()
    ids = utterances["utterance_id"].to_list()
    paths = [clip_folder / path if path else None for path in utterances["audio_path"]]
    shards = [Shard(i, ids[start:end], paths[start:end]) for i, (start, end) in enumerate(_spans(paths))]
    audio = ShardedFeature(
        f"resample-{dataset}", code=CODE, settings={"audio": dump(params.audio)}, dtype=np.int16, width=None
    )
    with Stopwatch() as watch, audio:
        least = 1 if any(paths) else len(shards)  # without a clip there is nothing to start processes for
        decoded = audio.make(partial(decode_shard, params=params.audio), shards, params.parallel, least=least)
        with progress(decoded, total=len(shards), desc=f"resample {dataset}", unit="shard") as shown:
            outcomes = [clip for clips in shown for clip in clips]
        rows = [(utterance_id, *clip) for utterance_id, clip in zip(ids, outcomes, strict=True)]
        attributes = {"sample_rate": params.audio.sample_rate, **params_attribute({"audio": dump(params.audio)})}
        audio.merge(folder / "audio.h5", attributes)
        table = write_clips(rows, folder)
    statuses = {status: count for status, count in count_statuses(table).items() if count and status != ClipStatus.OK}
    notes = ", ".join(f"{count} {status}" for status, count in statuses.items()) or "no failures"
    hours = sum(row[2] for row in rows) / 3600
    print(summary_line("resample", dataset, utterances=len(rows), hours=hours, seconds=watch.seconds, notes=notes))


def _spans(paths: Sequence[Path | None]) -> Iterator[tuple[int, int]]:
    """Yield where shards begin and end: each has SHARD clips or SHARD_ROWS rows, the last one of a corpus fewer."""
    start = clips = 0
    for end, path in enumerate(paths, 1):
        clips += path is not None
        if clips == SHARD or end - start == SHARD_ROWS or end == len(paths):
            yield start, end
            start, clips = end, 0


if __name__ == "__main__":
    run_dataset_stage(main)
