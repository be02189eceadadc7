"""reports/index.html and reports/index.md from the contents and the studies of all datasets.

The HTML is one file that opens offline: figures are embedded, there is no script and nothing is fetched. Both pages
come from one Document, so they say the same.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

from erc_core.evaluation.scores import confusion
from erc_core.params.schema import Params
from erc_core.params.training import EvaluateParams
from erc_core.report.page import figures
from erc_core.report.page.content import DatasetContent
from erc_core.report.page.document import Column, Document, Drawn, Numbering, Paragraph, Table
from erc_core.report.page.formats import count, percent_with_range
from erc_core.report.page.render import render_html, render_markdown
from erc_core.report.page.sections import dataset_part, interval_words
from erc_core.report.study.figures import sweep_figure
from erc_core.report.study.files import write_tables
from erc_core.report.study.sections import sweeps
from erc_core.report.study.tables import StudyTable
from erc_core.run.atomic import atomic_file


def write_report(
    params: Params, contents: list[DatasetContent], studies: Mapping[str, Sequence[StudyTable]], folder: Path
) -> None:
    """Draw the figures and write the pages and the files of the study's tables.

    Args:
        params: The sections `report` and `evaluate` are used.
        contents: What is known about each dataset, in the order of params.datasets.
        studies: The tables of each dataset's study, none if it runs nothing.
        folder: Where index.html, index.md, figures/<dataset>/ and tables/ go.
    """
    drawn = {content.dataset: draw_figures(content, studies[content.dataset], folder) for content in contents}
    document = make_document(params, contents, studies, drawn)
    write_tables(
        [table for content in contents for table in studies[content.dataset]], params.evaluate, folder / "tables"
    )
    for name, text in (("index.html", render_html(document)), ("index.md", render_markdown(document))):
        with atomic_file(folder / name) as partial:
            partial.write_text(text, encoding="utf-8", newline="\n")


def draw_figures(content: DatasetContent, study: Sequence[StudyTable], folder: Path) -> dict[str, Drawn]:
    """Draw and save all figures of a dataset.

    Args:
        content: What is known about it.
        study: The tables of its study.
        folder: The folder of the pages.

    Returns:
        The figures by name; see sections.dataset_part.
    """
    synthetic, predictions = content.results.synthetic, content.predictions
    matrix = confusion(predictions["emotion"].to_list(), predictions["predicted"].to_list(), content.labels)
    emotions = {split: summary.emotions for split, summary in content.results.splits.items()}
    made = {
        "confusion": figures.confusion_figure(matrix, content.labels, synthetic=synthetic),
        "learning": figures.learning_figure(content.history, content.results.training.best_epoch, synthetic=synthetic),
        "classes": figures.class_figure(emotions, content.labels, synthetic=synthetic),
        "per_class": figures.per_class_figure(content.per_class, synthetic=synthetic),
    }
    if figures.shared_classes(content.labels):
        made["confusion_shared"] = figures.shared_confusion_figure(matrix, content.labels, synthetic=synthetic)
    made |= {
        name: sweep_figure(rows, table.rows[0].label if len(curves) == 1 else table.key, synthetic=synthetic)
        for table in study
        for curves in [sweeps(table)]
        for name, rows in curves.items()
    }
    drawn = {}
    for name, figure in made.items():
        png, svg = figures.save(figure, folder / "figures" / content.dataset, name)
        uri = "data:image/svg+xml;base64," + base64.b64encode(svg.read_bytes()).decode("ascii")
        width, height = figure.get_size_inches()
        drawn[name] = Drawn(png.relative_to(folder).as_posix(), uri, float(width), float(height))
    return drawn


def make_document(
    params: Params,
    contents: list[DatasetContent],
    studies: Mapping[str, Sequence[StudyTable]],
    drawn: Mapping[str, Mapping[str, Drawn]],
) -> Document:
    """Put together what the report says.

    Args:
        params: The sections `report` and `evaluate` are used.
        contents: What is known about each dataset.
        studies: The tables of each dataset's study.
        drawn: Figures by dataset and name.

    Returns:
        The report.
    """
    numbering = Numbering()
    summary = _summary(contents, params.evaluate, numbering) if len(contents) > 1 else None
    introduction = (
        "One emotion is predicted for each utterance of a conversation, from its text, its speech, or both. "
        "All scores are on the test split, which was read once, after the epoch had been chosen on the validation "
        f"split. {interval_words(params.evaluate)}"
    )
    synthetic = [content.dataset for content in contents if content.results.synthetic]
    warning, short_warning = "", ""
    if synthetic:
        names = "this corpus" if len(contents) == 1 else f"the corpus {synthetic[0]}"
        if len(synthetic) > 1:
            names = f"the corpora {', '.join(synthetic[:-1])} and {synthetic[-1]}"
        are, their = ("are", "their") if len(synthetic) > 1 else ("is", "its")
        warning = f"{names} {are} synthetic speech by eSpeak NG; {their} scores say nothing about people."
        warning = warning[0].upper() + warning[1:]
        short_warning = "Synthetic corpus: speech by eSpeak NG. Its scores say nothing about people."
    return Document(
        title=params.report.title,
        warning=warning,
        short_warning=short_warning,
        introduction=(Paragraph(introduction),),
        summary=summary,
        parts=tuple(
            dataset_part(
                content, drawn[content.dataset], params.report, params.evaluate, numbering, studies[content.dataset]
            )
            for content in contents
        ),
    )


def _summary(contents: list[DatasetContent], evaluate: EvaluateParams, numbering: Numbering) -> Table:
    rows: list[tuple[str, ...]] = []
    for content in contents:
        metrics, results = content.metrics, content.results
        rows.append(
            (
                content.dataset,
                "synthetic" if results.synthetic else "recorded",
                f"{results.modality}, {results.backbone}",
                count(metrics.n),
                percent_with_range(metrics.acc, metrics.acc_low, metrics.acc_high),
                percent_with_range(metrics.wf1, metrics.wf1_low, metrics.wf1_high),
                percent_with_range(metrics.macro_f1, metrics.macro_f1_low, metrics.macro_f1_high),
            )
        )
    return numbering.table(
        f"Scores on the test splits with {100 * evaluate.confidence:g}% intervals.",
        [
            Column("Dataset"),
            Column("Speech"),
            Column("Model"),
            Column("Utterances", "number"),
            Column("Accuracy", "number"),
            Column("Weighted F1", "number"),
            Column("Macro F1", "number"),
        ],
        rows,
    )
