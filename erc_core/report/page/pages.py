"""reports/index.html and reports/index.md from the contents and the studies of all datasets.

The HTML is one file that opens offline: figures are embedded, there is no script and nothing is fetched. Both pages
come from one Document, so they say the same.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from erc_core.evaluation.scores import confusion
from erc_core.params.schema import Params
from erc_core.params.training import EvaluateParams
from erc_core.report.page import figures
from erc_core.report.page.calibration import COVERAGE, RELIABILITY, write_calibration_tables
from erc_core.report.page.calibration_figures import coverage_figure, reliability_figure
from erc_core.report.page.content import DatasetContent
from erc_core.report.page.document import Document, Drawn, Table, heads
from erc_core.report.page.formats import count, listed, percent_with_range
from erc_core.report.page.groups import group_part, group_scores
from erc_core.report.page.render import render_html, render_markdown
from erc_core.report.page.sections import dataset_part, interval_words
from erc_core.report.study.figures import sweep_figure, training_figure
from erc_core.report.study.files import write_tables
from erc_core.report.study.sections import sweeps
from erc_core.report.study.tables import StudyTable
from erc_core.report.study.trainings import panels
from erc_core.run.atomic import write_text
from erc_core.run.baseline import changed_params
from erc_core.store.tables import write_csv

Studies = Mapping[str, Sequence[StudyTable]]  # the tables of each dataset's study, none if it runs nothing


def write_report(params: Params, contents: list[DatasetContent], studies: Studies, folder: Path) -> None:
    """Draw the figures and write the pages and the files of the study's tables into a folder.

    Contents come in the order of params.datasets, studies by dataset and by group.
    """
    drawn = {content.dataset: draw_figures(content, folder, params.evaluate) for content in contents}
    synthetic = {content.dataset: content.facts.synthetic for content in contents}
    synthetic |= {group: any(synthetic[name] for name in params.groups[group]) for group in params.shown_groups}
    for name, study in studies.items():
        drawn.setdefault(name, {}).update(draw_curves(name, study, folder, synthetic=synthetic[name]))
    document = make_document(params, contents, studies, drawn)
    write_tables([table for study in studies.values() for table in study], params.evaluate, folder / "tables")
    write_calibration_tables(contents, params.evaluate, folder / "tables")
    for group in params.shown_groups:
        write_csv(group_scores(_members(params, group, contents)), folder / "tables" / f"{group}_scores.csv")
    for name, text in (("index.html", render_html(document)), ("index.md", render_markdown(document))):
        write_text(folder / name, text)


def draw_figures(content: DatasetContent, folder: Path, evaluate: EvaluateParams) -> dict[str, Drawn]:
    """Draw and save the figures of a dataset for pages in a folder, and return them by name; see sections.dataset_part."""
    synthetic, predictions, belief = content.facts.synthetic, content.predictions, content.calibration
    matrix = confusion(predictions["emotion"].to_list(), predictions["predicted"].to_list(), content.labels)
    emotions = {split: summary.emotions for split, summary in content.facts.splits.items()}
    made = {
        "confusion": figures.confusion_figure(matrix, content.labels, synthetic=synthetic),
        "confusion_percent": figures.confusion_percent_figure(matrix, content.labels, synthetic=synthetic),
        "losses": figures.losses_figure(content.history, content.training.best_epoch, synthetic=synthetic),
        "learning": figures.learning_figure(content.history, content.training.best_epoch, synthetic=synthetic),
        "classes": figures.class_figure(emotions, content.labels, synthetic=synthetic),
        "per_class": figures.per_class_figure(content.per_class, synthetic=synthetic),
        RELIABILITY: reliability_figure(
            belief.before.bins, belief.after.bins, evaluate.confidence, synthetic=synthetic
        ),
        COVERAGE: coverage_figure(belief.coverage, synthetic=synthetic),
    }
    if figures.shared_classes(content.labels):
        made["confusion_shared"] = figures.shared_confusion_figure(matrix, content.labels, synthetic=synthetic)
    return {name: figures.embed(figure, folder, f"figures/{content.dataset}", name) for name, figure in made.items()}


def draw_curves(dataset: str, study: Sequence[StudyTable], folder: Path, *, synthetic: bool) -> dict[str, Drawn]:
    """Draw and save the curves of a study for pages in a folder, and return them by the names of study.sections.sweeps."""
    drawn: dict[str, Drawn] = {}
    for table in study:
        made = {name: training_figure(panel, synthetic=synthetic) for name, panel in panels(table).items()}
        drawn |= {name: figures.embed(figure, folder, f"figures/{dataset}", name) for name, figure in made.items()}
        curves = sweeps(table)
        for name, rows in curves.items():
            title = table.rows[0].label if len(curves) == 1 else table.key
            figure = sweep_figure(rows, title, synthetic=synthetic)
            drawn[name] = figures.embed(figure, folder, f"figures/{dataset}", name)
    return drawn


def _members(params: Params, group: str, contents: list[DatasetContent]) -> list[DatasetContent]:
    return [content for content in contents if content.dataset in params.groups[group]]


def make_document(
    params: Params, contents: list[DatasetContent], studies: Studies, drawn: Mapping[str, Mapping[str, Drawn]]
) -> Document:
    """Put together what the report says; see write_report. Figures are by dataset and name."""
    introduction = (
        "One emotion is predicted for each utterance of a conversation, from its text, its speech, or both. "
        "All scores are on the test split. No training sees it: epochs are chosen on the validation split. But every training "
        "is scored on it, those of each question and of the study alike, so that choosing among their test scores would be "
        f"choosing on the test split. {interval_words(params.evaluate, [content.units.noun for content in contents])}"
    )
    synthetic = [content.dataset for content in contents if content.facts.synthetic]
    warning = ""
    if len(synthetic) > 1:
        warning = (
            f"The corpora {listed(synthetic)} are synthetic speech by eSpeak NG; their scores say nothing about people."
        )
    elif synthetic:
        name = "This corpus" if len(contents) == 1 else f"The corpus {synthetic[0]}"
        warning = f"{name} is synthetic speech by eSpeak NG; its scores say nothing about people."
    return Document(
        title=params.report.title,
        introduction=" ".join(filter(None, [changed_params(), introduction])),
        parts=[
            *(
                group_part(group, _members(params, group, contents), studies[group], drawn[group], params.evaluate)
                for group in params.shown_groups
            ),
            *(
                dataset_part(content, drawn[content.dataset], params.report, params.evaluate, studies[content.dataset])
                for content in contents
            ),
        ],
        warning=warning,
        summary=_summary(contents, params.evaluate) if len(contents) > 1 else None,
    )


def _summary(contents: list[DatasetContent], evaluate: EvaluateParams) -> Table:
    return Table(
        f"Scores on the test splits with {100 * evaluate.confidence:g}% intervals.",
        heads("Dataset", "Speech", "Model", "#Utterances", "#Accuracy", "#Weighted F1", "#Macro F1"),
        [
            (
                content.dataset,
                "synthetic" if content.facts.synthetic else "recorded",
                f"{content.facts.modality}, {content.facts.backbone}",
                count(content.metrics.n),
                *(percent_with_range(*content.metrics.score(name)) for name in ("acc", "wf1", "macro_f1")),
            )
            for content in contents
        ],
    )
