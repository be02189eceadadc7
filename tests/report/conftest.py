from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from made_up_study import by_dialogue, study_params, write_study

from erc_core.evaluation.calibration import evaluate_calibration
from erc_core.evaluation.facts import RESULT_FILES
from erc_core.evaluation.records import RunFacts
from erc_core.evaluation.temperature import Calibration
from erc_core.evaluation.write import evaluate_predictions
from erc_core.params.load import load_params
from erc_core.params.schema import Params
from erc_core.params.study import StudyParams
from erc_core.report.card.record import Card
from erc_core.report.page import figures
from erc_core.report.page.calibration import COVERAGE, RELIABILITY
from erc_core.report.page.document import Column, Drawn, Picture, Section, Table
from erc_core.report.study.tables import StudySource, StudyTable, make_tables
from erc_core.run.provenance import sha256
from erc_core.store.checksums import file_checksum
from erc_core.study.results import read_results
from erc_core.training.record import Epoch, TrainingRecord, write_history

LABELS = ["neutral", "joy", "anger", "fear"]


def made_up_card(root: Path, dataset: str, words: str) -> Card:
    """Return a data card with a block of every kind, which says some words; its figure is drawn."""
    figure = figures.class_figure({split: {"joy": 3} for split in figures.SPLITS}, ["joy"], synthetic=True)
    drawn = figures.embed(figure, root / "reports" / dataset, "data_figures", "lengths")
    return Card(
        dataset=dataset,
        sections=[
            Section("Warnings", "warnings", [f"Warning: {words}."]),
            Section("Classes", "classes", [Table("Classes.", [Column("Emotion"), Column("train", "number")], [(words, "3")])]),
            Section("Lengths", "lengths", [
                Table("Lengths.", [Column("Length", "code"), Column("Longest", "quote")], [("words", words)]),
                Picture("Lengths of clips.", "Histograms of the lengths of clips.", drawn),
            ]),
        ],
    )  # fmt: skip


@pytest.fixture(scope="session")
def placeholders() -> dict[str, Drawn]:
    """Return what stands for figures where a test is about the text around them."""
    return {
        name: Drawn(f"figures/demo/{name}.png", "data:image/svg+xml;base64,", 7.0, 3.0)
        for name in (
            "confusion",
            "confusion_percent",
            "confusion_shared",
            "losses",
            "learning",
            "classes",
            "per_class",
            RELIABILITY,
            COVERAGE,
            "n_blocks",
            "joint_len",
            *(f"{table}.training" for table in ("ablation", "fusion", "n_blocks", "joint_len", "switches", "own")),
            *(f"comparison.training.{i}" for i in (1, 2, 3)),
        )
    }


@pytest.fixture(scope="session")
def params() -> Params:
    repository = load_params(Path(__file__).parents[2] / "params.yaml")
    evaluate = repository.evaluate.model_copy(update={"bootstrap_samples": 200, "confidence": 0.9})
    report = repository.report.model_copy(update={"title": "A report", "top_errors": 3})
    return repository.model_copy(update={"datasets": ["demo"], "evaluate": evaluate, "report": report})


@pytest.fixture(scope="session")
def make_study(params: Params) -> Callable[..., list[StudyTable]]:
    """Return a function that writes the results of a study under a root and makes its tables."""

    def make(root: Path, dataset: str = "demo", study: StudyParams | None = None, **facts: Any) -> list[StudyTable]:
        study = study or study_params()
        write_study(root, study, dataset, n_dialogues=12, **facts)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(root)
            results = {name: read_results(dataset, name) for name in study.run}
            return make_tables(
                StudySource(
                    dataset,
                    "meld",
                    dataset == "demo",
                    study,
                    params.evaluate,
                    results,
                    lambda name: by_dialogue(dataset, name),
                )
            )

    return make


@pytest.fixture(scope="session")
def study_tables(
    tmp_path_factory: pytest.TempPathFactory, make_study: Callable[..., list[StudyTable]]
) -> list[StudyTable]:
    """Return the tables of a study of three seeds in which every variant was run."""
    return make_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def write_inputs(params: Params) -> Callable[..., None]:
    """Return a function that writes all inputs of one dataset under a root."""

    def write(
        root: Path,
        dataset: str = "demo",
        *,
        n_dialogues: int = 8,
        labels: list[str] = LABELS,
        gold_labels: list[str] | None = None,
        texts: list[str] = ["Are you sure?"],  # noqa: B006
        all_right: bool = False,
        history: dict[str, Any] | None = None,
        card: str = "twelve clips are silent",
        temperature: float = 1.5,
        **results: Any,
    ) -> None:
        rng = np.random.default_rng(0)
        golds = gold_labels or labels
        rows = []
        for i in range(6 * n_dialogues):
            gold = golds[int(rng.integers(len(golds)))]
            p = rng.dirichlet(np.ones(len(labels)))
            if all_right or rng.random() < 0.5:
                p[labels.index(gold)] += 2
            p /= p.sum()
            rows.append(
                {
                    "utterance_id": f"test/dia{i // 6}_utt{i % 6}",
                    "dialogue_id": f"test/dia{i // 6}",
                    "turn": i % 6,
                    "speaker": "Monica",
                    "text": texts[i % len(texts)],
                    "emotion": gold,
                    "predicted": labels[int(p.argmax())],
                    "confidence": float(p.max()),
                }
                | {f"p_{label}": float(x) for label, x in zip(labels, p, strict=True)}
            )
        table = pl.DataFrame(rows)
        folder = root / "reports" / dataset
        evaluate_predictions(table, labels, params.evaluate, folder)
        logits = table.select(pl.selectors.starts_with("p_").log()).to_numpy()
        gold = np.array([labels.index(label) for label in table["emotion"]])
        fitted = Calibration(temperature=temperature, nll_before=1.25, nll_after=1.125, n=10, split="dev")
        ids, units = table["utterance_id"].to_list(), table["dialogue_id"].to_list()
        evaluate_calibration(logits, gold, ids, units, fitted, params.evaluate).write(folder)
        epochs = [1, 2, 3]
        columns = ["lr", "train_loss", "train_erc", "train_icl", "val_loss", "val_acc", "val_wf1"]
        curve = {"epoch": epochs} | {name: [0.3, 0.4, 0.35] for name in columns} | (history or {})
        write_history(folder, [Epoch(*row) for row in pl.DataFrame(curve).rows()])
        test = dict(Counter(table["emotion"]))
        train = {label: 40 // (i + 1) for i, label in enumerate(labels)}
        split = {"dialogues": n_dialogues, "speakers": 3, "hours": 0.0512}
        TrainingRecord(
            seed=7, best_epoch=2, epochs=3, stopped_by="epochs", val_acc=0.5, val_wf1=0.4, parameters=412345, trained_parameters=400000,
            seconds=24.1, seconds_per_epoch=8.0, precision="float32", device="CPU: AMD EPYC", python="3.11.7",
            history=file_checksum(folder / "history.csv"),
        ).write_json(folder / "training.json")  # fmt: skip
        made_up_card(root, dataset, card).write(root)
        content = {
            "dataset": dataset,
            "synthetic": True,
            "labels": labels,
            "modality": "T+A",
            "unit": "dialogue",
            "backbone": "tiny",
            "splits": {
                "train": split | {"utterances": sum(train.values()), "emotions": train},
                "dev": split | {"utterances": 10, "emotions": {"neutral": 10}},
                "test": split | {"utterances": table.height, "emotions": test},
            },
            "clips": {"ok": 90, "missing": 1, "silent": 0},
            "problems": [
                {"utterance_id": "train/dia3_utt2", "split": "train", "status": "missing", "detail": None,
                 "action": "text only"},
            ],
            "truncated_texts": 1,
            "ingest": {"rows left out": 2, "test twins preferred": 5},
            "training": {"seed": 7},
            "weights": "random weights made from a configuration",
            "versions": {"torch": "2.11.0"},
            "commit": None,
            "params": {"jfm": {"n_blocks": 2, "tied": True}, "icl": {"weight": 0.1}, "train": {"lr": "auto"}},
            "files": {"model.safetensors": "0123456789abcdef" * 4} | {name: sha256(folder / name) for name in RESULT_FILES},
        } | results  # fmt: skip
        RunFacts.model_validate(content).write(root)

    return write
