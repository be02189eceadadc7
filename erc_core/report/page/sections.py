"""What the report says about the scores, the model and the errors of one dataset; data_sections has the rest."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from erc_core.evaluation.scores import confusion, score
from erc_core.evaluation.units import too_few
from erc_core.params.training import EvaluateParams, ReportParams
from erc_core.report.page.calibration import calibration_section
from erc_core.report.page.clean import shorten
from erc_core.report.page.content import DatasetContent
from erc_core.report.page.data_sections import data_section, provenance_section
from erc_core.report.page.document import (
    Block,
    Cells,
    DatasetPart,
    Drawn,
    Headline,
    Picture,
    Section,
    Table,
    heads,
    number_heads,
)
from erc_core.report.page.figures import MOST_CELLS, MOST_NAMES, shared_classes
from erc_core.report.page.formats import (
    MISSING,
    MODALITIES,
    count,
    listed,
    percent,
    percent_range,
    percent_with_range,
    plural,
)
from erc_core.report.study.sections import study_sections
from erc_core.report.study.tables import StudyTable

TEXT_WIDTH = 240  # characters of an utterance that the list of errors shows


def dataset_part(
    content: DatasetContent,
    drawn: Mapping[str, Drawn],
    report: ReportParams,
    evaluate: EvaluateParams,
    study: Sequence[StudyTable],
) -> DatasetPart:
    """Say everything about one dataset.

    Figures come by name: confusion, confusion_percent, losses, learning, classes, per_class, those of page.calibration,
    confusion_shared where it has some of the paper's classes, and those of the study (see study.sections.sweeps and study.trainings.panels).
    """
    sections = (
        Section("Scores on the test split", "scores", _scores(content, evaluate)),
        Section("Model and choice of epoch", "model", _model(content)),
        Section("Classes", "classes", _classes(content, drawn, evaluate)),
        calibration_section(content, drawn, evaluate),
        Section("Most confident errors", "errors", _errors(content, report.top_errors)),
        Section("Training", "training", [_training(content, drawn)]),
        *study_sections(study, drawn, evaluate),
        data_section(content, drawn["classes"]),
        provenance_section(content),
    )
    return DatasetPart(content.dataset, content.facts.synthetic, sections)


def interval_words(evaluate: EvaluateParams, nouns: Sequence[str] = ("dialogue",)) -> str:
    """Say how the intervals were made; `nouns` are what was resampled, see units.Units."""
    one = " or ".join(dict.fromkeys(nouns))
    several = " or ".join(f"{noun}s" for noun in dict.fromkeys(nouns))
    return (
        f"Intervals are {100 * evaluate.confidence:g}% percentile bootstrap intervals from "
        f"{plural(evaluate.bootstrap_samples, 'resample')} of whole test {several}, because utterances of one {one} "
        f"are not independent. They tell how far the score depends on which {several} the test split happens to hold, "
        "not how far it varies between training runs."
    )


def _scores(content: DatasetContent, evaluate: EvaluateParams) -> list[Block]:
    metrics, confidence = content.metrics, f"{100 * evaluate.confidence:g}% interval"
    scores = []
    for title, name in (("Accuracy", "acc"), ("Weighted F1", "wf1"), ("Macro F1", "macro_f1")):
        at, low, high = metrics.score(name)
        interval = f"{confidence} {percent_range(low, high)}" if low is not None else "no interval"
        scores.append((title, percent(at), interval))
    gold = content.predictions["emotion"].to_list()
    train = content.facts.splits["train"].emotions
    usual_label = max(content.labels, key=lambda label: train.get(label, 0))
    usual = score(gold, [usual_label] * len(gold), content.labels)
    text = (
        f"Test split: {plural(metrics.n, 'utterance')} in {plural(content.n_dialogues, 'dialogue')}. For comparison, "
        f"always answering “{usual_label}”, the most frequent class of the train split, would give an accuracy of "
        f"{percent(usual.acc)}, a weighted F1 of {percent(usual.wf1)} and a macro F1 of {percent(usual.macro_f1)}. "
        "Weighted F1 weights the F1 of each class by its support; macro F1 is the plain mean over the classes that "
        "occur in the test split."
    )
    blocks: list[Block] = [Headline(scores), text]
    if metrics.wf1_low is None:
        blocks.append(f"There are no intervals: {too_few(content.units.n, content.units.noun)}.")
    return blocks


def _model(content: DatasetContent) -> list[Block]:
    facts, run = content.facts, content.training
    table = Table(
        f"{content.dataset}: the model and the run that made it.",
        heads("Property", "Value"),
        [
            ("Modality", MODALITIES.get(facts.modality, facts.modality)),
            ("Backbone", facts.backbone),
            ("Weights at the start", facts.weights),
            ("Parameters", f"{count(run.parameters)}, of which {count(run.trained_parameters)} trained"),
            ("Seed", str(run.seed)),
            ("Epochs run", count(run.epochs)),
            ("Epoch chosen", f"{run.best_epoch} (validation W-F1 {percent(run.val_wf1)})"),
        ],
    )
    text = (
        f"How the epoch was chosen: epoch {run.best_epoch} of {run.epochs} has the highest weighted F1 on the "
        f"validation split ({percent(run.val_wf1)}), and its weights were kept. The test split had no part in this: "
        "the evaluation scores it after the choice, once for every training that is asked for."
    )
    if run.best_epoch == run.epochs:
        text += " The chosen epoch is the last one that ran, so that more epochs might have raised the score."
    return [table, text]


def _classes(content: DatasetContent, drawn: Mapping[str, Drawn], evaluate: EvaluateParams) -> list[Block]:
    name, labels = f"{content.dataset}, test split", content.labels
    rows: list[Cells] = []
    for row in content.per_class.iter_rows(named=True):
        scores = (
            percent(row["precision"]),
            percent(row["recall"]),
            percent_with_range(row["f1"], row["f1_low"], row["f1_high"]),
        )
        rows.append((row["emotion"], *(scores if row["support"] else (MISSING,) * 3), count(row["support"])))
    absent = content.per_class.filter(pl.col("support") == 0)["emotion"].to_list()
    some = " or ".join(absent) if len(absent) <= MOST_NAMES else f"with one of {count(len(absent))} of the classes"
    note = f" No utterance of the test split is labelled {some}." if absent else ""
    confidence = f"{100 * evaluate.confidence:g}%"
    table = Table(
        f"{name}: scores of each class, F1 with its {confidence} interval.{note}",
        heads("Emotion", "#Precision", "#Recall", "#F1", "#Support"),
        rows,
    )
    per_class = Picture(
        f"{name}: F1 of each class. Bars are {confidence} intervals from resampled {content.units.noun}s; the numbers "
        f"on the right are the utterances of the class.{_first_drawn(labels)}{note}",
        "Dot plot of the F1 of each class with its interval; the numbers are in the table above.",
        drawn["per_class"],
    )
    matrix = confusion(content.predictions["emotion"].to_list(), content.predictions["predicted"].to_list(), labels)
    confusion_picture = Picture(
        f"{name}: confusion of gold classes (rows) and predicted classes (columns), in utterances, and in percent of the gold "
        "class, so that each row sums to 100 but for rounding and the diagonal holds the recall"
        + ("; a dash stands where a class does not occur." if len(labels) <= MOST_CELLS else "."),
        "Confusion matrix in utterances, or in percent of the gold class; the counts are in the next table.",
        drawn["confusion"],
        [drawn["confusion_percent"]],
    )
    shared = [_shared_confusion(name, labels, drawn["confusion_shared"])] if "confusion_shared" in drawn else []
    return [table, per_class, confusion_picture, *shared, _confusion_table(name, labels, matrix)]


def _first_drawn(labels: list[str]) -> str:
    return f" Drawn are the first {MOST_NAMES} of {count(len(labels))} classes." if len(labels) > MOST_NAMES else ""


def _confusion_table(name: str, labels: list[str], matrix: NDArray[np.int64]) -> Table:
    """Show all counts, or of more than MOST_CELLS classes the most frequent confusions."""
    if len(labels) <= MOST_CELLS:
        return Table(
            f"{name}: utterances by gold class (rows) and predicted class (columns).",
            [*heads("Gold"), *number_heads(labels)],
            [(label, *(count(int(n)) for n in row)) for label, row in zip(labels, matrix, strict=True)],
        )
    wrong = matrix - np.diag(np.diag(matrix))
    top = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CELLS]
    rows = [(labels[i // len(labels)], labels[i % len(labels)], count(int(wrong.flat[i]))) for i in top]
    return Table(
        f"{name}: the {MOST_CELLS} most frequent confusions of {count(len(labels))} classes; all predictions are in predictions.csv.",
        heads("Gold", "Predicted", "#Utterances"),
        rows,
    )


def _shared_confusion(name: str, labels: list[str], drawn: Drawn) -> Picture:
    shown = shared_classes(labels)
    other = " The column “other” holds what was predicted to be any other class." if len(shown) < len(labels) else ""
    return Picture(
        f"{name}: confusion of the classes that the paper’s Fig. 2 shows ({listed(shown)}), in percent "
        f"of the gold class, with the number of utterances in brackets.{other}",
        f"Confusion matrix of {listed(shown)}.",
        drawn,
    )


def _errors(content: DatasetContent, top: int) -> list[Block]:
    wrong = content.predictions.filter(pl.col("emotion") != pl.col("predicted"))
    if wrong.is_empty():
        return ["Every utterance of the test split is predicted rightly."]
    total = f"{plural(wrong.height, 'utterance')} of {count(content.metrics.n)} in the test split"
    verb = "is" if wrong.height == 1 else "are"
    if top == 0:
        return [f"{total} {verb} predicted wrongly; none is listed, as report.top_errors is 0."]
    rows = [
        (
            row["utterance_id"],
            shorten(row["speaker"], 40) or MISSING,
            shorten(row["text"], TEXT_WIDTH) or MISSING,
            row["emotion"],
            row["predicted"],
            percent(row["confidence"]),
            percent(row[f"p_{row['emotion']}"]),
        )
        for row in wrong.sort(["confidence", "utterance_id"], descending=[True, False]).head(top).iter_rows(named=True)
    ]
    table = Table(
        f"{content.dataset}, test split: the {plural(len(rows), 'error')} with the highest confidence, which is the "
        "probability that the model gives to its prediction; p(gold) is the one that it gives to the gold class.",
        heads("`Utterance", "Speaker", "“Text", "Gold", "Predicted", "#Confidence", "#p(gold)"),
        rows,
    )
    text = f"{total} {verb} predicted wrongly; all predictions are in reports/{content.dataset}/predictions.csv."
    return [text, table]


def _training(content: DatasetContent, drawn: Mapping[str, Drawn]) -> Picture:
    run = content.training
    return Picture(
        f"{content.dataset}: losses, and scores on the validation split, over the epochs. The total training loss is the cross entropy plus the weighted contrastive loss. The dotted line marks the chosen "
        "epoch, the circle its weighted F1 (W-F1).",
        f"Learning curves; the chosen epoch is {run.best_epoch} of {run.epochs}, with a validation weighted F1 of "
        f"{percent(run.val_wf1)}.",
        drawn["losses"],
        [drawn["learning"]],
    )
