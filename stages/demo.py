"""Speak the embedded corpus with eSpeak NG, if it is among the datasets.

Reads   nothing
Writes  data/raw/demo/ (an empty folder where `datasets` has no demo, so that other corpora need no eSpeak NG); an empty
        data/raw/<dataset>/ for each of `datasets` that has none
Params  datasets, demo
"""

from erc_core.corpora.demo.corpus import speak_corpus
from erc_core.params.schema import Params
from erc_core.run.atomic import atomic_folder
from erc_core.run.paths import raw_folder
from erc_core.run.stage import run_stage
from erc_core.run.summary import Stopwatch, summary_line

DATASET = "demo"


def main(params: Params) -> None:
    """Speak, and say how much."""
    folder = raw_folder(DATASET)
    for dataset in params.datasets:
        # DVC stops at an absent folder before the stage ingest could say what belongs there
        raw_folder(dataset).mkdir(parents=True, exist_ok=True)
    if DATASET not in params.datasets:
        with atomic_folder(folder):
            pass
        print(f"demo: not in `datasets` ({', '.join(params.datasets)}); {folder} stays empty")
        return
    with Stopwatch() as watch:
        summary = speak_corpus(folder, params.demo, params.parallel)
    notes = f"{summary.dialogues} dialogues, {summary.damaged} clips damaged on purpose"
    utterances, hours = summary.utterances, summary.seconds / 3600
    print(summary_line("speak", DATASET, utterances=utterances, hours=hours, seconds=watch.seconds, notes=notes))


if __name__ == "__main__":
    run_stage(main)
