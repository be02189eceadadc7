"""What the report says about a group of datasets, such as the folds of a corpus: their scores and the study, averaged."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from erc_core.errors import ErcError
from erc_core.params.training import EvaluateParams
from erc_core.report.page.content import DatasetContent
from erc_core.report.page.document import DatasetPart, Drawn, Section, Table, heads
from erc_core.report.page.formats import MISSING, count, percent, percent_with_range
from erc_core.report.study.sections import study_sections
from erc_core.report.study.tables import StudyTable

SCORES = ("acc", "wf1", "macro_f1")


def group_part(
    group: str,
    contents: Sequence[DatasetContent],
    study: Sequence[StudyTable],
    drawn: Mapping[str, Drawn],
    evaluate: EvaluateParams,
) -> DatasetPart:
    """Say everything about a group; `study` is that of the group as one, `drawn` the figures of its curves."""
    text = (
        f"The {len(contents)} datasets of this group stand for one corpus, as its folds do. In means every dataset counts alike, "
        "however many utterances it has. In the tables of the study, the score of a seed is its mean over the datasets, so that "
        "standard deviations and t-tests are over seeds. The bootstrap puts all test splits together, so that in its differences "
        "and intervals every utterance counts alike: where datasets differ in size, the two differences do too. "
        "Datasets of a group may share training data, so the deviation over them is not one of independent runs."
    )
    sections = [Section("Scores of the datasets", "scores", [text, _shown(group, group_scores(contents), contents)])]
    if study:
        sections += study_sections(study, drawn, evaluate)
    return DatasetPart(group, any(content.facts.synthetic for content in contents), sections, kind="Group")


def check_group(group: str, contents: Sequence[DatasetContent]) -> None:
    """Refuse a group whose scores cannot stand for one corpus.

    Raises:
        ErcError: Other classes in one dataset than in another, or test utterances that two of them have in common.
    """
    tested: dict[tuple[str, ...], str] = {}
    for content in contents:
        if set(content.labels) != set(contents[0].labels):
            raise ErcError(
                f"groups.{group}: {contents[0].dataset} has the classes {sorted(contents[0].labels)}, {content.dataset} has "
                f"{sorted(content.labels)}: scores over other classes cannot be averaged; take one of them out of the group"
            )
        for utterance in content.predictions.select("utterance_id", "speaker", "text", "emotion").iter_rows():
            other = tested.setdefault(utterance, content.dataset)
            if other != content.dataset:
                raise ErcError(
                    f"groups.{group}: the test splits of {other} and {content.dataset} share utterances, such as "
                    f"{utterance[0]}: these would count twice; take one of the two out of the group"
                )


def group_scores(contents: Sequence[DatasetContent]) -> pl.DataFrame:
    """Return the scores (fractions) of the main model on each dataset of a group: dataset, synthetic, n, acc, wf1, macro_f1.

    The last rows, without n, are mean and sd, the sample standard deviation over the datasets. The column synthetic says whether
    no person spoke a corpus.
    """
    scores_NS = np.array([[content.metrics.score(name)[0] for name in SCORES] for content in contents])
    rows = [
        (content.dataset, content.facts.synthetic, content.metrics.n, *row)
        for content, row in zip(contents, scores_NS, strict=True)
    ]
    some = any(content.facts.synthetic for content in contents)
    rows += [("mean", some, None, *scores_NS.mean(axis=0)), ("sd", some, None, *scores_NS.std(axis=0, ddof=1))]
    schema = {"dataset": pl.String, "synthetic": pl.Boolean, "n": pl.Int64} | dict.fromkeys(SCORES, pl.Float64)
    return pl.DataFrame(rows, schema=schema, orient="row")


def _shown(group: str, scores: pl.DataFrame, contents: Sequence[DatasetContent]) -> Table:
    metrics = {content.dataset: content.metrics for content in contents}
    return Table(
        f"{group}: scores of the model on the test split of each dataset, one training each; their mean and standard deviation.",
        heads("Dataset", "#Utterances", "#Accuracy", "#Weighted F1", "#Macro F1"),
        [
            (
                {"mean": "Mean", "sd": "Standard deviation"}.get(row["dataset"], row["dataset"]),
                MISSING if row["n"] is None else count(row["n"]),
                *(
                    percent_with_range(*metrics[row["dataset"]].score(name)) if row["n"] else percent(row[name])
                    for name in SCORES
                ),
            )
            for row in scores.iter_rows(named=True)
        ],
    )
