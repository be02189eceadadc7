"""Read a corpus as its authors ship it into one table of utterances.

Reads   data/raw/<dataset>/
Writes  data/<dataset>/utterances.parquet, data/<dataset>/ingest.json (what was wrong and what was done, facts for the data
        card), data/<dataset>/unpacked/ (what archives held; empty where there are none)
Params  ingest.<dataset>
"""

from collections import Counter

from erc_core.corpora.readers import read_corpus, resolve
from erc_core.errors import ErcError
from erc_core.params.schema import Params, dump
from erc_core.run.atomic import atomic_folder
from erc_core.run.paths import data_folder, raw_folder
from erc_core.run.stage import run_dataset_stage
from erc_core.store.ingest import IngestRecord
from erc_core.store.utterances import SPLITS, SYNTHETIC_FILE, write_utterances

DEMO = "demo"  # the dataset that the stage demo makes


def main(params: Params, dataset: str) -> None:
    """Read, check, write, and say what is in it."""
    folder, section = data_folder(dataset), resolve(params.ingest[dataset])
    raw = raw_folder(dataset, section)
    if dataset == DEMO and section.raw_dir is None and not (raw.is_dir() and any(raw.iterdir())):
        raise ErcError(f"{raw}: nothing there; the stage demo makes it: run `dvc repro`, or `python -m stages.demo`")
    with atomic_folder(folder / "unpacked") as unpack_to:
        corpus = read_corpus(raw, section, unpack_to, f"ingest.{dataset}")
        if corpus.clips == "raw":
            (unpack_to / ".nothing").touch()  # DVC warns of an empty folder in every stage that reads it
    utterances = corpus.utterances
    write_utterances(utterances, folder)
    IngestRecord(
        ingest=dump(section),
        synthetic=(raw / SYNTHETIC_FILE).is_file(),
        clips=corpus.clips,
        facts=corpus.facts,
        issues=corpus.issues,
    ).write(folder)
    per_split = {split: utterances["split"].eq(split).sum() for split in SPLITS}
    print(
        f"ingest {dataset}: {len(utterances):,} utterances "
        f"({', '.join(f'{split} {count:,}' for split, count in per_split.items())}), "
        f"{utterances['dialogue_id'].n_unique():,} dialogues, {utterances['emotion'].n_unique()} emotions, "
        f"{utterances['audio_path'].null_count():,} without a clip"
    )
    for kind, count in sorted(Counter(issue.kind for issue in corpus.issues).items()):
        print(f"ingest {dataset}: {count:,} x {kind}")
    if utterances["audio_path"].null_count() == len(utterances):
        print(f"ingest {dataset}: there is no clip at all; text alone can be learned (-S model.modality=T)")


if __name__ == "__main__":
    run_dataset_stage(main)
