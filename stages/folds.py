"""Run the five folds of IEMOCAP, each tested on another session's speakers, and average.

    python -m stages.folds iemocap

Not a stage of dvc.yaml: it runs the pipeline, `dvc exp run -S ingest.<dataset>.fold=K`, once for each fold, as experiments
<dataset>-fold-K. What is up to date or in DVC's run cache is not computed again, so an interrupted command is simply given
again. An experiment of the same name is replaced. At the end, also after an error, params.yaml, dvc.lock, the data and the
reports of the dataset are as they were before.

Reads   params.yaml, dvc.yaml, reports/<dataset>/metrics.json after each fold
Writes  reports/<dataset>/folds.csv, folds.md
Params  ingest.<dataset>.fold is set to 1, 2, 3, 4, 5 in turn; all others are as in params.yaml
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from erc_core.corpora.readers import resolve
from erc_core.errors import ErcError
from erc_core.evaluation.folds import SCORES, fold_table, read_scores, write_folds
from erc_core.params.data import IemocapIngest
from erc_core.params.load import load_params
from erc_core.params.schema import Params, dump
from erc_core.run.paths import data_folder, reports_folder
from erc_core.run.stage import run_dataset_stage

FOLDS = (1, 2, 3, 4, 5)
PARAMS, LOCK = Path("params.yaml"), Path("dvc.lock")


def main(params: Params, dataset: str) -> None:
    """Run the folds, put the workspace back, write the tables."""
    section = resolve(params.ingest[dataset])
    if not isinstance(section, IemocapIngest):
        raise ErcError(f"dataset {dataset!r} has format {section.format!r}: only iemocap has folds")
    if dataset not in params.datasets:
        raise ErcError(f"datasets = {params.datasets} in params.yaml lacks {dataset!r}: add it, then run this again")
    reports = reports_folder(dataset)
    folds: dict[int, dict[str, float]] = {}
    with _workspace_kept(dataset):
        for fold in FOLDS:
            print(f"folds {dataset}: fold {fold} of {len(FOLDS)}", flush=True)
            _run_fold(dataset, fold)
            if _without_fold(load_params(), dataset) != _without_fold(params, dataset):
                raise ErcError("params.yaml was changed while the folds ran: they cannot be compared; run this again")
            folds[fold] = read_scores(reports / "metrics.json")
    table = fold_table(folds)
    write_folds(table, f"{dataset}: {len(FOLDS)} folds, one session out", _notes(params, section), reports)
    mean, sd = (table.row(index, named=True) for index in (-2, -1))
    scores = ", ".join(f"{name} {100 * mean[key]:.1f} ± {100 * sd[key]:.1f}" for key, name in SCORES.items())
    print(f"folds {dataset}: {scores} (mean and standard deviation of {len(FOLDS)} folds); see {reports / 'folds.md'}")


def _run_fold(dataset: str, fold: int) -> None:
    """Run the pipeline of one dataset up to its scores; the target leaves other datasets and the report alone."""
    name = f"{dataset}-fold-{fold}"
    # dvc refuses a name that exists, and its --force computes everything anew; the caches survive the removal
    if name in _dvc("exp", "list", "--name-only", quiet=True).stdout.split():
        _dvc("exp", "remove", name, quiet=True)
    ran = _dvc("exp", "run", "--name", name, "-S", f"ingest.{dataset}.fold={fold}", f"evaluate@{dataset}")
    if ran.returncode != 0:
        raise ErcError(
            f"fold {fold}: `dvc exp run` ended with code {ran.returncode}, its reason stands above (experiments need a Git "
            "repository with a commit); run the same command again: folds that are finished are not computed again"
        )
    made = data_folder(dataset) / "ingest.json"
    try:
        found = json.loads(made.read_text(encoding="utf-8"))["ingest"]["fold"]
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    if found != fold:
        raise ErcError(f"{made}: is of fold {found} after the run of fold {fold}: its scores cannot be trusted")


def _dvc(*arguments: str, quiet: bool = False) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["dvc", *arguments], capture_output=quiet, text=True, check=False)
    except FileNotFoundError:
        raise ErcError("dvc: command not found; activate the virtual environment it is installed in") from None


@contextmanager
def _workspace_kept(dataset: str) -> Iterator[None]:
    """Put params.yaml, dvc.lock, and the dataset's data and reports back when the block ends, however it ends."""
    params = load_params()
    kept = {path: path.read_bytes() if path.exists() else None for path in (PARAMS, LOCK)}
    reports = reports_folder(dataset)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "reports"
        if reports.is_dir():
            shutil.copytree(reports, copy)
        try:
            yield
        finally:
            if _is_edited(params, dataset):
                print("folds: params.yaml was changed meanwhile and is left as it is: look at its fold")
                kept.pop(PARAMS)
            for path, content in kept.items():
                if content is not None:
                    path.write_bytes(content)
                else:
                    path.unlink(missing_ok=True)
            target = f"evaluate@{dataset}"
            ran_before = target.encode() in (kept[LOCK] or b"")
            if ran_before and _dvc("checkout", target, "--with-deps", quiet=True).returncode:
                print(f"folds: data/{dataset} could not be put back to what it was: `dvc repro` does")
            if reports.is_dir():
                shutil.rmtree(reports)
            if copy.is_dir():
                shutil.copytree(copy, reports)


def _is_edited(params: Params, dataset: str) -> bool:
    """Whether params.yaml differs in more than the fold."""
    try:
        return _without_fold(load_params(), dataset) != _without_fold(params, dataset)
    except ErcError:
        return True


def _without_fold(params: Params, dataset: str) -> dict[str, Any]:
    tree = dump(params)
    tree["ingest"].get(dataset, {}).pop("fold", None)
    return tree


def _notes(params: Params, section: IemocapIngest) -> str:
    validation = "a seeded choice of whole dialogues of the training sessions"
    if section.classes == 6:
        validation += " (fold 5: the common list)"
    return f"""
- {section.classes} classes. Fold k is tested on session k, whose two speakers are in no other split; validation is {validation}.
- sd is the sample standard deviation over the folds. Folds differ in their test speakers: it says how much the scores vary
  between speakers, not between seeds. Every fold was trained once, with train.seed = {params.train.seed}.
- The mean counts every fold alike, however many utterances it has.
"""


if __name__ == "__main__":
    run_dataset_stage(main)
