"""Try settings of the systems with equal effort, on the validation split alone, and list every try.

Run as `python -m benchmarks.tune FILE.yaml --seeds 3 --dataset demo`, where the dataset's features are built. FILE.yaml lists
the tries of each system, the same number for all; each try changes params.yaml:

    ours:     [{lr: 1.0e-3}, {lr: 2.0e-3, icl.weight: 0.2}]
    scfa:     [{lr: 1.0e-3}, {lr: 3.0e-3, dropout: 0.1}]
    multiemo: [{lr: 1.0e-3}, {lr: 2.0e-3, train.patience: 12}]

A key without a dot is a setting of the system: of study.variants.<system>.settings for the dataset and backbone at hand, or of
backbones.<backbone>.training where the system is ours. model, jfm and icl are those of study.base; any other key is one of
params.yaml in full. A name that is no peer system's is our model too (`raw ICL: [{icl.normalize: false}]`), and its number of
tries is its own affair.

Writes results/tuning.json after every try: those of earlier calls stay, unless they are tried again or --fresh is said.
"""

import argparse
import copy
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from ruamel.yaml import YAML

from benchmarks.harness import RESULTS
from erc_core.errors import ErcError
from erc_core.inference.dialogues import DialogueFeatures
from erc_core.inference.feature_set import FeatureSet
from erc_core.params.by_dataset import changes_for
from erc_core.params.load import check_params
from erc_core.params.peers import PEERS
from erc_core.params.schema import Params
from erc_core.run.atomic import write_json
from erc_core.run.hub import quiet_transformers
from erc_core.run.paths import data_folder
from erc_core.run.pools import worker_count
from erc_core.run.provenance import commit
from erc_core.store.utterances import labels_of, read_utterances
from erc_core.study.forks import run_in_forks
from erc_core.study.points import Point, settings_of
from erc_core.study.train import Corpus, fit_point
from erc_core.training.checkpoint import Checkpoint
from erc_core.training.loop import Trained

OURS = "ours"
NAME = "tuning.json"


@dataclass(frozen=True)
class Try:
    """Settings to try for a system."""

    system: str  # as the file names it
    changes: dict[str, Any]
    params: Params  # with the changes

    @property
    def variant(self) -> str:
        """The variant of the study whose settings count; `full` is our model."""
        return self.system if self.system in PEERS else "full"


def main(arguments: Sequence[str] | None = None) -> int:
    """Train every try, print the table, and write the JSON; returns the exit status."""
    options = parse(arguments)
    yaml = YAML(typ="safe")
    tree = yaml.load(Path("params.yaml").read_text(encoding="utf-8"))
    tries = [
        Try(system, changes, check_params(changed(tree, system, changes, options.dataset), f"{system} {changes}"))
        for system, listed in require_equal_effort(yaml.load(options.file.read_text(encoding="utf-8"))).items()
        for changes in listed
    ]
    path = options.results / NAME
    kept = json.loads(path.read_text(encoding="utf-8"))["tries"] if path.exists() and not options.fresh else []
    folder, base = data_folder(options.dataset), check_params(tree)
    torch.set_num_threads(1)
    quiet_transformers()
    labels = labels_of(read_utterances(folder))
    with FeatureSet(folder, labels, how="memory") as features:
        features.labels[features.split("test")] = -1  # no label of the test split can reach a number here
        corpus = Corpus(options.dataset, features, DialogueFeatures(features), labels)
        tasks = [(place, seed) for place in range(len(tries)) for seed in range(options.seeds)]

        def train(task: tuple[int, int]) -> Trained:
            one, seed = tries[task[0]], task[1]
            point = Point(one.system, one.changes, one.params.study.base, is_base=False)
            checkpoint = Checkpoint(f"tune-{options.dataset}-{task[0]}-{seed}")
            checkpoint.remove()
            settings = settings_of(one.params, one.variant, options.dataset)
            trained = fit_point(one.params, corpus, point, settings, seed, torch.device("cpu"), checkpoint)[1]
            checkpoint.remove()
            return Trained({}, trained.history, trained.best, trained.stopped_by, trained.seconds)

        done: dict[int, list[Trained]] = {}
        for (place, _), trained in run_in_forks(train, tasks, options.workers or worker_count(base.parallel)):
            done.setdefault(place, []).append(trained)
            if len(done[place]) < options.seeds:
                continue
            row = record(tries[place], done[place], options.dataset)
            print(shown(row), flush=True)
            kept = [old for old in kept if key_of(old) != key_of(row)] + [row]
            write_json(path, {"commit": commit(), "tries": chosen(kept)})
    for row in sorted(chosen(kept), key=lambda row: (row["dataset"], row["system"], -row["val_wf1"])):
        print(("* " if row["chosen"] else "  ") + shown(row))
    return 0


def changed(tree: dict[str, Any], system: str, changes: dict[str, Any], dataset: str) -> dict[str, Any]:
    """Return params.yaml's tree with the changes of a try; see the module."""
    new = copy.deepcopy(tree)
    backbone = new["backbone"]
    own: dict[str, Any] = new["backbones"][backbone]["training"]
    if system in PEERS:
        own = new["study"]["variants"][system]["settings"][backbone]
    # what is tried counts for the dataset at hand, and starts from what stands for it
    own |= changes_for(dataset, own.pop("datasets", {}))
    for key, value in changes.items():
        *sections, last = key.split(".")
        place = own if not sections else new
        for name in ["study", "base", *sections] if sections and sections[0] in ("model", "jfm", "icl") else sections:
            if name not in place:
                raise ErcError(f"{system}: {key} is no key of params.yaml")
            place = place[name]
        place[last] = value
    return new


def require_equal_effort(listed: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the lists of tries.

    Raises:
        ErcError: They are no lists by system, or two systems have different numbers of tries.
    """
    if not isinstance(listed, dict) or not all(
        isinstance(tries, list) and all(isinstance(one, dict) for one in tries) for tries in listed.values()
    ):
        raise ErcError("expected lists of changes by system, such as `scfa: [{lr: 1.0e-3}, {}]`")
    counts = {name: len(tries) for name, tries in listed.items() if name in (OURS, *PEERS)}
    if len(set(counts.values())) > 1:
        raise ErcError(f"equal effort for all systems: the numbers of tries differ, {counts}")
    return listed


def record(one: Try, trainings: list[Trained], dataset: str) -> dict[str, Any]:
    """Return what is written about a try; scores are of the validation split, seconds are of one training."""
    scores = [trained.best.val_wf1 for trained in trainings]
    return {
        "dataset": dataset,
        "backbone": one.params.backbone,
        "system": one.system,
        "changes": one.changes,
        "seeds": len(trainings),
        "val_wf1": round(fmean(scores), 4),
        "val_wf1_std": round(stdev(scores), 4) if len(scores) > 1 else None,
        "best_epochs": [trained.best.epoch for trained in trainings],
        "epochs": [len(trained.history) for trained in trainings],
        "stopped_by": [trained.stopped_by for trained in trainings],
        "seconds": round(fmean(trained.seconds for trained in trainings), 1),
    }


def key_of(row: dict[str, Any]) -> list[Any]:
    """Return what makes two tries the same."""
    return [row["dataset"], row["backbone"], row["system"], row["changes"]]


def chosen(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows, in each the mark whether it is its system's best on a dataset and backbone."""
    best: dict[tuple[str, ...], float] = {}
    for row in rows:
        group = row["dataset"], row["backbone"], row["system"]
        best[group] = max(best.get(group, 0.0), row["val_wf1"])
    return [row | {"chosen": row["val_wf1"] == best[row["dataset"], row["backbone"], row["system"]]} for row in rows]


def shown(row: dict[str, Any]) -> str:
    """Return a line about a try."""
    spread = "" if row["val_wf1_std"] is None else f" +- {100 * row['val_wf1_std']:.1f}"
    ended = "" if set(row["stopped_by"]) == {"patience"} else "  (not converged)"
    return (
        f"{row['dataset']} {row['system']:10s} val W-F1 {100 * row['val_wf1']:5.1f}{spread}  best epoch {row['best_epochs']} of "
        f"{row['epochs']}  {row['seconds']:5.1f} s  {row['changes']}{ended}"
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tune", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="YAML: lists of changes by system")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each try")
    parser.add_argument("--dataset", default="demo")
    parser.add_argument("--workers", type=int, help="trainings at once; parallel.workers otherwise")
    parser.add_argument("--fresh", action="store_true", help="forget the tries of earlier calls")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ErcError as error:
        sys.exit(str(error))
