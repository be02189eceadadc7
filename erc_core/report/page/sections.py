"""What the report says about the scores, the model and the errors of one dataset; data_sections has the rest."""

from collections.abc import Mapping, Sequence

import polars as pl

from erc_core.evaluation.scores import confusion, score
from erc_core.params.training import EvaluateParams, ReportParams
from erc_core.report.page.clean import shorten
from erc_core.report.page.content import DatasetContent
from erc_core.report.page.data_sections import data_section, provenance_section
from erc_core.report.page.document import (
    Block,
    Column,
    DatasetPart,
    Drawn,
    Headline,
    Numbering,
    Paragraph,
    Picture,
    Score,
    Section,
)
from erc_core.report.page.figures import shared_classes
from erc_core.report.page.formats import (
    MISSING,
    MODALITIES,
    count,
    listed,
    percent,
    percent_range,
    percent_with_range,
    plural,
    value,
)
from erc_core.report.study.sections import study_sections
from erc_core.report.study.tables import StudyTable

TEXT_WIDTH = 240  # characters of an utterance that the list of errors shows


def dataset_part(
    content: DatasetContent,
    drawn: Mapping[str, Drawn],
    report: ReportParams,
    evaluate: EvaluateParams,
    numbering: Numbering,
    study: Sequence[StudyTable],
) -> DatasetPart:
    """Say everything about one dataset.

    Args:
        content: What is known about it.
        drawn: Its figures by name: confusion, learning, classes, per_class, confusion_shared where it has some of the
            paper's classes, and one per curve of the study (see study_sections.sweeps).
        report: How much to show.
        evaluate: How the intervals were made.
        numbering: Of tables and figures, continued.
        study: The tables of its study, none if it runs nothing.

    Returns:
        Its sections in reading order.
    """
    sections = (
        _scores(content, evaluate),
        _model(content, numbering),
        _classes(content, drawn, evaluate, numbering),
        _errors(content, report.top_errors, numbering),
        _training(content, drawn["learning"], numbering),
        *study_sections(content.dataset, study, drawn, evaluate, numbering),
        data_section(content, drawn["classes"], numbering),
        provenance_section(content, numbering),
    )
    return DatasetPart(content.dataset, content.results.synthetic, sections)


def interval_words(evaluate: EvaluateParams) -> str:
    """Say how the intervals were made."""
    return (
        f"Intervals are {100 * evaluate.confidence:g}% percentile bootstrap intervals from "
        f"{plural(evaluate.bootstrap_samples, 'resample')} of whole test dialogues, because utterances of one dialogue "
        "are not independent. They tell how far the score depends on which dialogues the test split happens to hold, "
        "not how far it varies between training runs."
    )


def _section(content: DatasetContent, title: str, anchor: str, blocks: list[Block]) -> Section:
    return Section(title, f"{content.dataset}-{anchor}", tuple(blocks))


def _scores(content: DatasetContent, evaluate: EvaluateParams) -> Section:
    metrics, confidence = content.metrics, f"{100 * evaluate.confidence:g}% interval"
    scores = [
        Score(name, percent(at), f"{confidence} {percent_range(low, high)}" if low is not None else "no interval")
        for name, at, low, high in (
            ("Accuracy", metrics.acc, metrics.acc_low, metrics.acc_high),
            ("Weighted F1", metrics.wf1, metrics.wf1_low, metrics.wf1_high),
            ("Macro F1", metrics.macro_f1, metrics.macro_f1_low, metrics.macro_f1_high),
        )
    ]
    gold = content.predictions["emotion"].to_list()
    train = content.results.splits["train"].emotions
    usual_label = max(content.labels, key=lambda label: train.get(label, 0))
    usual = score(gold, [usual_label] * len(gold), content.labels)
    text = (
        f"Test split: {plural(metrics.n, 'utterance')} in {plural(content.n_dialogues, 'dialogue')}. For comparison, "
        f"always answering “{usual_label}”, the most frequent class of the train split, would give an accuracy of "
        f"{percent(usual.acc)}, a weighted F1 of {percent(usual.wf1)} and a macro F1 of {percent(usual.macro_f1)}. "
        "Weighted F1 weights the F1 of each class by its support; macro F1 is the plain mean over the classes that "
        "occur in the test split."
    )
    blocks: list[Block] = [Headline(tuple(scores)), Paragraph(text)]
    if metrics.wf1_low is None:
        blocks.append(
            Paragraph("There are no intervals: they come from resampling dialogues, and the test split has one only.")
        )
    return _section(content, "Scores on the test split", "scores", blocks)


def _model(content: DatasetContent, numbering: Numbering) -> Section:
    results, run = content.results, content.results.training
    weights = results.weights
    if isinstance(weights, dict):
        weights = [f"{part}: {name}" for part, name in weights.items()]
    table = numbering.table(
        f"{content.dataset}: the model and the run that made it.",
        [Column("Property"), Column("Value")],
        [
            ("Modality", MODALITIES.get(results.modality, results.modality)),
            ("Backbone", results.backbone),
            ("Weights at the start", value(weights)),
            ("Parameters", f"{count(run.parameters)}, of which {count(run.trained_parameters)} trained"),
            ("Seed", str(run.seed)),
            ("Epochs run", count(run.epochs)),
            ("Epoch chosen", f"{run.best_epoch} (validation W-F1 {percent(run.val_wf1)})"),
        ],
    )
    text = (
        f"How the epoch was chosen: epoch {run.best_epoch} of {run.epochs} has the highest weighted F1 on the "
        f"validation split ({percent(run.val_wf1)}), and its weights were kept. The test split had no part in this: "
        "it was read once, by the evaluation, after the choice."
    )
    return _section(content, "Model and choice of epoch", "model", [table, Paragraph(text)])


def _classes(
    content: DatasetContent, drawn: Mapping[str, Drawn], evaluate: EvaluateParams, numbering: Numbering
) -> Section:
    name, labels = content.dataset, content.labels
    rows: list[tuple[str, ...]] = []
    for row in content.per_class.iter_rows(named=True):
        scores = (
            percent(row["precision"]),
            percent(row["recall"]),
            percent_with_range(row["f1"], row["f1_low"], row["f1_high"]),
        )
        rows.append((row["emotion"], *(scores if row["support"] else (MISSING,) * 3), count(row["support"])))
    absent = [row["emotion"] for row in content.per_class.iter_rows(named=True) if row["support"] == 0]
    note = f" No utterance of the test split is labelled {' or '.join(absent)}." if absent else ""
    confidence = f"{100 * evaluate.confidence:g}%"
    table = numbering.table(
        f"{name}, test split: scores of each class, F1 with its {confidence} interval.{note}",
        [
            Column("Emotion"),
            Column("Precision", "number"),
            Column("Recall", "number"),
            Column("F1", "number"),
            Column("Support", "number"),
        ],
        rows,
    )
    per_class = numbering.picture(
        f"{name}, test split: F1 of each class. Bars are {confidence} intervals from resampled dialogues; the numbers "
        f"on the right are the utterances of the class.{note}",
        f"Dot plot of the F1 of each class with its interval; the numbers are in Table {table.number}.",
        drawn["per_class"],
    )
    matrix = confusion(content.predictions["emotion"].to_list(), content.predictions["predicted"].to_list(), labels)
    confusion_table = numbering.table(
        f"{name}, test split: utterances by gold class (rows) and predicted class (columns).",
        [Column("Gold"), *(Column(label, "number") for label in labels)],
        [(label, *(count(int(n)) for n in row)) for label, row in zip(labels, matrix, strict=True)],
    )
    confusion_picture = numbering.picture(
        f"{name}, test split: confusion of gold classes (rows) and predicted classes (columns). Left: number of "
        "utterances. Right: percent of the gold class, so each row sums to 100 but for rounding and the diagonal "
        "holds the recall; a dash stands where a class does not occur.",
        f"Two confusion matrices, in counts and in percent of the gold class; the counts are in Table "
        f"{confusion_table.number}.",
        drawn["confusion"],
    )
    blocks: list[Block] = [table, per_class, confusion_picture]
    if "confusion_shared" in drawn:
        blocks.append(_shared_confusion(content, drawn["confusion_shared"], numbering))
    blocks.append(confusion_table)
    return _section(content, "Classes", "classes", blocks)


def _shared_confusion(content: DatasetContent, drawn: Drawn, numbering: Numbering) -> Picture:
    shown = shared_classes(content.labels)
    other = (
        " The column “other” holds what was predicted to be any other class."
        if len(shown) < len(content.labels)
        else ""
    )
    return numbering.picture(
        f"{content.dataset}, test split: confusion of the classes that the paper’s Fig. 2 shows ({listed(shown)}), in percent "
        f"of the gold class, with the number of utterances in brackets.{other}",
        f"Confusion matrix of {listed(shown)}.",
        drawn,
    )


def _errors(content: DatasetContent, top: int, numbering: Numbering) -> Section:
    wrong = content.predictions.filter(pl.col("emotion") != pl.col("predicted"))
    title, anchor = "Most confident errors", "errors"
    if wrong.is_empty():
        return _section(content, title, anchor, [Paragraph("Every utterance of the test split is predicted rightly.")])
    total = f"{plural(wrong.height, 'utterance')} of {count(content.metrics.n)} in the test split"
    verb = "is" if wrong.height == 1 else "are"
    if top == 0:
        text = f"{total} {verb} predicted wrongly; none is listed, as report.top_errors is 0."
        return _section(content, title, anchor, [Paragraph(text)])
    rows: list[tuple[str, ...]] = [
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
    table = numbering.table(
        f"{content.dataset}, test split: the {plural(len(rows), 'error')} with the highest confidence, which is the "
        "probability that the model gives to its prediction; p(gold) is the one that it gives to the gold class.",
        [
            Column("Utterance", "code"),
            Column("Speaker"),
            Column("Text", "quote"),
            Column("Gold"),
            Column("Predicted"),
            Column("Confidence", "number"),
            Column("p(gold)", "number"),
        ],
        rows,
    )
    text = f"{total} {verb} predicted wrongly; all predictions are in reports/{content.dataset}/predictions.csv."
    return _section(content, title, anchor, [Paragraph(text), table])


def _training(content: DatasetContent, drawn: Drawn, numbering: Numbering) -> Section:
    run = content.results.training
    picture = numbering.picture(
        f"{content.dataset}: losses (left) and scores on the validation split (right) over the epochs. The total "
        "training loss is the cross entropy plus the weighted contrastive loss. The dotted line marks the chosen "
        "epoch, the circle its weighted F1 (W-F1).",
        f"Learning curves; the chosen epoch is {run.best_epoch} of {run.epochs}, with a validation weighted F1 of "
        f"{percent(run.val_wf1)}.",
        drawn,
    )
    return _section(content, "Training", "training", [picture])
