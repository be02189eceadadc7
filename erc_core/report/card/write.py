"""The data card: data.md with its figure for people, and the record from which the report says the same."""

from pathlib import Path

import polars as pl

from erc_core.report.card.checks import CheckResults
from erc_core.report.card.figure import lengths_figure
from erc_core.report.card.record import Card
from erc_core.report.card.sections import corpus_sections
from erc_core.report.card.source import CardSource
from erc_core.report.page.document import DatasetPart, Document, Drawn
from erc_core.report.page.figures import embed
from erc_core.report.page.formats import plural
from erc_core.report.page.render import render_markdown
from erc_core.run.atomic import write_text
from erc_core.store.utterances import SPLITS

CARD_FILE = "data.md"
FIGURES_FOLDER = "data_figures"


def write_card(source: CardSource, issues: pl.DataFrame, results: CheckResults, folder: Path) -> None:
    """Draw the figure, and write the page and the record; data.md and data_figures/ go to the folder."""
    unit = "s" if source.utterances["seconds"].count() else "words"
    card = Card(
        dataset=source.dataset, sections=corpus_sections(source, issues, results, _draw(source, unit, folder), unit)
    )
    words = (
        "What the corpus holds after its raw files were read and its clips decoded, what was met by a rule, and the checks "
        f"for leaks between splits: {plural(len(results.warnings), 'warning')}."
    )
    spoken = "This corpus was spoken by eSpeak NG; scores on it say nothing about people."
    document = Document(
        title=f"Data card: {source.dataset}",
        introduction=words,
        # the warning about synthetic speech is the document's: a card has no scores to repeat it over
        parts=[DatasetPart(source.dataset, synthetic=False, sections=card.sections)],
        warning=spoken if source.synthetic else "",
    )
    card.write()
    write_text(folder / CARD_FILE, render_markdown(document))


def _draw(source: CardSource, unit: str, folder: Path) -> Drawn:
    words = pl.col("text").fill_null("").str.extract_all(r"\S+").list.len()
    lengths = source.utterances.select("split", length=pl.col("seconds") if unit == "s" else words)
    known = lengths.filter(pl.col("length") > 0)
    per_split = {split: known.filter(pl.col("split") == split)["length"].to_numpy() for split in SPLITS}
    figure = lengths_figure(per_split, unit, synthetic=source.synthetic)
    return embed(figure, folder, FIGURES_FOLDER, "lengths")
