"""data.md and its figure."""

from pathlib import Path

import polars as pl

from erc_core.report.card.checks import CheckResults
from erc_core.report.card.figure import lengths_figure
from erc_core.report.card.sections import card_part
from erc_core.report.card.source import CardSource
from erc_core.report.page.document import Document, Drawn, Paragraph
from erc_core.report.page.figures import save
from erc_core.report.page.formats import plural
from erc_core.report.page.render import render_markdown
from erc_core.run.atomic import atomic_file
from erc_core.store.utterances import SPLITS

CARD_FILE = "data.md"
FIGURES_FOLDER = "data_figures"


def write_card(source: CardSource, issues: pl.DataFrame, results: CheckResults, folder: Path) -> None:
    """Draw the figure and write the page.

    Args:
        source: What is known about the corpus.
        issues: The table of issues.
        results: The checks.
        folder: Where data.md and data_figures/ go.
    """
    unit = "s" if source.utterances["seconds"].count() else "words"
    drawn = _draw(source, unit, folder)
    words = (
        "What the corpus holds after its raw files were read and its clips decoded, what was met by a rule, and the checks "
        f"for leaks between splits: {plural(len(results.warnings), 'warning')}."
    )
    document = Document(
        title=f"Data card: {source.dataset}",
        warning="This corpus was spoken by eSpeak NG; scores on it say nothing about people."
        if source.synthetic
        else "",
        short_warning="",
        introduction=(Paragraph(words),),
        summary=None,
        parts=(card_part(source, issues, results, drawn, unit),),
    )
    with atomic_file(folder / CARD_FILE) as partial:
        partial.write_text(render_markdown(document), encoding="utf-8", newline="\n")


def _draw(source: CardSource, unit: str, folder: Path) -> Drawn:
    words = pl.col("text").fill_null("").str.extract_all(r"\S+").list.len()
    lengths = source.utterances.select("split", length=pl.col("seconds") if unit == "s" else words)
    known = lengths.filter(pl.col("length") > 0)
    per_split = {split: known.filter(pl.col("split") == split)["length"].to_numpy() for split in SPLITS}
    figure = lengths_figure(per_split, unit, synthetic=source.synthetic)
    png, _ = save(figure, folder / FIGURES_FOLDER, "lengths")
    width, height = figure.get_size_inches()
    # Markdown links the PNG: the SVG is not embedded
    return Drawn(png.relative_to(folder).as_posix(), "", float(width), float(height))
