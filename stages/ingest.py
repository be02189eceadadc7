"""Read a corpus as its authors ship it into one table of utterances.

Reads   data/raw/<dataset>/
Writes  data/<dataset>/utterances.parquet
Params  ingest.<dataset>
"""

from erc_core.corpora.readers import read_corpus
from erc_core.corpora.table import SPLITS, write_utterances
from erc_core.params.schema import Params, data_folder, raw_folder
from erc_core.stage import run_dataset_stage


def main(params: Params, dataset: str) -> None:
    """Read, check, write, and say what was found."""
    utterances = read_corpus(raw_folder(dataset), params.ingest[dataset])
    write_utterances(utterances, data_folder(dataset))
    per_split = {split: utterances["split"].eq(split).sum() for split in SPLITS}
    without_clip = utterances["audio_path"].null_count()
    print(
        f"ingest {dataset}: {len(utterances)} utterances "
        f"({', '.join(f'{split} {count}' for split, count in per_split.items())}), "
        f"{utterances['dialogue_id'].n_unique()} dialogues, {utterances['emotion'].n_unique()} emotions, "
        f"{without_clip} without a clip"
    )


if __name__ == "__main__":
    run_dataset_stage(main)
