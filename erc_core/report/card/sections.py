"""The sections of a data card, from what is known about a corpus. All text is plain: the template escapes it."""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from erc_core.report.card.checks import NAME_WIDTH, CheckResults
from erc_core.report.card.issues import ISSUES_FILE
from erc_core.report.card.source import CardSource
from erc_core.report.page.clean import shorten
from erc_core.report.page.document import Block, Column, DatasetPart, Drawn, Numbering, Paragraph, Section
from erc_core.report.page.formats import MISSING, count, percent, plural, value
from erc_core.store.utterances import SPLITS

CLASSES_SHOWN = 100
ISSUES_SHOWN = 3  # of each kind and action, by name
KINDS_SHOWN = 100
DUPLICATES_SHOWN = 10
IDS_SHOWN = 6  # of a group of duplicates
TEXT_WIDTH = 120  # characters of a text or a detail
FACT_WIDTH = 400
TITLES = {"train": "train", "dev": "dev (validation)", "test": "test"}
ALL = "all"


def card_part(
    source: CardSource, issues: pl.DataFrame, results: CheckResults, drawn: Drawn, drawn_unit: str
) -> DatasetPart:
    """Put together what the card says.

    Args:
        source: What is known about the corpus.
        issues: The table of issues.
        results: The checks.
        drawn: The figure of lengths.
        drawn_unit: What it shows: "s" of clips, or "words" of texts.

    Returns:
        The card as a part of a document.
    """
    numbering = Numbering()
    made = (
        _warnings(results),
        _sizes(source.utterances, numbering),
        _classes(source.utterances, numbering),
        _lengths(source.utterances, drawn, drawn_unit, numbering),
        _facts(source, numbering),
        _handled(issues, numbering),
        _checks(results, numbering),
    )
    sections = tuple(
        Section(title, f"{source.dataset}-{title.split()[0].lower()}", tuple(blocks))
        for title, blocks in made
        if blocks
    )
    # the warning about synthetic speech is the document's: a card has no scores to repeat it over
    return DatasetPart(source.dataset, synthetic=False, sections=sections)


Made = tuple[str, list[Block]]  # the title and the blocks of a section; without blocks it is left out
Row = tuple[str, ...]


def by_split(table: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """Return the rows of each split under its title, then all rows."""
    return [(TITLES[split], table.filter(pl.col("split") == split)) for split in SPLITS] + [(ALL, table)]


def _warnings(results: CheckResults) -> Made:
    return "Warnings", [Paragraph(f"Warning: {warning}.") for warning in results.warnings]


def _sizes(table: pl.DataFrame, numbering: Numbering) -> Made:
    sizes = numbering.table(
        "Size of the splits. Hours are of the clips as they came; hours used, of the speech that features are made of.",
        [
            Column("Split"),
            *(Column(title, "number") for title in ("Utterances", "With text", "With audio", "Dialogues", "Speakers")),
            *(Column(title, "number") for title in ("Hours", "Hours used")),
        ],
        [
            (
                title,
                count(len(rows)),
                count(len(rows) - rows["text_hash"].null_count()),
                count(len(rows) - rows["audio_hash"].null_count()),
                count(rows["dialogue_id"].drop_nulls().n_unique()),
                count(rows["speaker"].drop_nulls().n_unique()) if rows["speaker"].count() else MISSING,
                f"{rows['seconds'].sum() / 3600:,.2f}",
                f"{rows['used_seconds'].sum() / 3600:,.2f}",
            )
            for title, rows in by_split(table)
        ],
    )
    blocks: list[Block] = [sizes]
    unnamed = table["speaker"].null_count()
    if unnamed:
        blocks.append(Paragraph(f"{plural(unnamed, 'utterance')} without the name of a speaker."))
    return "Size", blocks


def _classes(table: pl.DataFrame, numbering: Numbering) -> Made:
    splits = by_split(table)
    counts = {title: dict(rows.group_by("emotion").len().rows()) for title, rows in splits}
    train = counts[TITLES["train"]]
    labels = sorted(counts[ALL], key=lambda label: (-train.get(label, 0), -counts[ALL][label], label))

    def row(name: str, members: Sequence[str]) -> tuple[str, ...]:
        cells = [name]
        for title, rows in splits:
            n = sum(counts[title].get(label, 0) for label in members)
            cells += [count(n), percent(n / len(rows) if len(rows) else None)]
        return tuple(cells)

    rows = [row(shorten(label, NAME_WIDTH), [label]) for label in labels[:CLASSES_SHOWN]]
    if len(labels) > CLASSES_SHOWN:
        rows.append(row(f"{count(len(labels) - CLASSES_SHOWN)} smaller classes", labels[CLASSES_SHOWN:]))
    columns = [Column(title, "number") for split, _ in splits for title in (split, "share")]
    caption = (
        f"Utterances of {count(len(labels))} classes, and their share of the split, the most frequent in train first."
    )
    return "Classes", [numbering.table(caption, [Column("Emotion"), *columns], rows)]


def _lengths(table: pl.DataFrame, drawn: Drawn, drawn_unit: str, numbering: Numbering) -> Made:
    text = pl.col("text").fill_null("")
    texts = table.filter(pl.col("text_hash").is_not_null()).select(
        "split", words=text.str.extract_all(r"\S+").list.len(), characters=text.str.len_chars()
    )
    rows = [
        (f"{what}, {title}", *_statistics(part[column], digits))
        for what, source, column, digits in (
            ("seconds of a clip", table, "seconds", 2),
            ("words of a text", texts, "words", 1),
            ("characters of a text", texts, "characters", 1),
        )
        for title, part in by_split(source)
    ]
    statistics = numbering.table(
        "Lengths of clips as they came, and of texts. 95% are no longer than the length in the column of that name.",
        [Column("Length"), *(Column(title, "number") for title in ("Number", "Mean", "Median", "95%", "Longest"))],
        rows,
    )
    if drawn_unit == "s":
        shown = "clips as they came: share of each split in bins of equal width on a logarithmic axis"
    else:
        shown = "texts in words, as no clip has a known length: share of each split"
    picture = numbering.picture(
        f"Lengths of {shown}.",
        f"Histograms of lengths, one for each split; the numbers are in Table {statistics.number}.",
        drawn,
    )
    return "Lengths", [statistics, picture]


def _statistics(column: pl.Series, digits: int) -> tuple[str, ...]:
    known = column.drop_nulls().cast(pl.Float64).to_numpy()
    if not len(known):
        return "0", MISSING, MISSING, MISSING, MISSING
    values = (known.mean(), np.median(known), np.quantile(known, 0.95))
    # words and characters are whole, so the longest is
    longest = f"{known.max():,.{digits if digits > 1 else 0}f}"
    return count(len(known)), *(f"{number:,.{digits}f}" for number in values), longest


def _facts(source: CardSource, numbering: Numbering) -> Made:
    blocks: list[Block] = []
    if source.facts:
        rows: list[Row] = [
            (shorten(name, NAME_WIDTH), shorten(fact_in_words(fact), FACT_WIDTH)) for name, fact in source.facts.items()
        ]
        caption = "What the reader of the raw files reports."
        blocks.append(numbering.table(caption, [Column("Fact"), Column("Value")], rows))
    if source.ingest:
        settings: list[Row] = [
            (shorten(name, NAME_WIDTH), shorten(value(setting), FACT_WIDTH)) for name, setting in source.ingest.items()
        ]
        caption = f"Parameters of ingest: section ingest.{source.dataset} of params.yaml."
        blocks.append(numbering.table(caption, [Column("Parameter", "code"), Column("Value", "code")], settings))
    return "Facts of ingest", blocks


def fact_in_words(fact: object) -> str:
    """Return a fact as a reader of the card sees it; nested facts on one line."""
    match fact:
        case None:
            return MISSING
        case bool():
            return "yes" if fact else "no"
        case int():
            return count(fact)
        case float():
            return f"{fact:,.4g}" if not math.isfinite(fact) or abs(fact) < 1000 else f"{fact:,.1f}"
        case list():
            return ", ".join(fact_in_words(element) for element in fact) or "none"
        case dict():
            return ", ".join(f"{name}: {fact_in_words(element)}" for name, element in fact.items()) or "none"
    return str(fact)


def _handled(issues: pl.DataFrame, numbering: Numbering) -> Made:
    title = "Excluded or handled"
    if issues.is_empty():
        text = (
            "Nothing was excluded, and nothing needed a rule: every clip is ordinary, and the reader reports no issue."
        )
        return title, [Paragraph(text)]
    rules = issues.group_by("kind", "action", maintain_order=True).agg(
        pl.len(), names=pl.col("where").head(ISSUES_SHOWN), detail=pl.col("detail").first()
    )
    rows: list[Row] = []
    for kind, action, n, names, detail in rules.head(KINDS_SHOWN).iter_rows():
        more = f" and {count(n - len(names))} more" if n > len(names) else ""
        named = ", ".join(shorten(name, NAME_WIDTH) for name in names) + more
        cells = (shorten(kind, NAME_WIDTH), count(n), shorten(action, TEXT_WIDTH), named)
        rows.append((*cells, shorten(detail, TEXT_WIDTH) or MISSING))
    caption = (
        f"What was met by a rule: {plural(len(issues), 'record')}, from the reading of the raw files and from decoding."
    )
    columns = [
        Column("Kind"),
        Column("Records", "number"),
        Column("What was done"),
        Column("Where"),
        Column("What was found in the first"),
    ]
    blocks: list[Block] = [numbering.table(caption, columns, rows)]
    if len(rules) > KINDS_SHOWN:
        blocks.append(Paragraph(f"{count(len(rules) - KINDS_SHOWN)} further kinds are in the list."))
    pointer = f"All of them, each with its reason, are in {ISSUES_FILE} beside this page."
    if issues["where"].is_duplicated().any():
        pointer += (
            " An utterance that several rules met, such as one of the reader and one of the decoder, is there for each."
        )
    blocks.append(Paragraph(pointer))
    return title, blocks


def _checks(results: CheckResults, numbering: Numbering) -> Made:
    blocks: list[Block] = [
        numbering.table(
            "Checks of the corpus as the stages use it.",
            [Column("Check"), Column("Result"), Column("What was found")],
            [(check.name, check.result, check.found) for check in results.checks],
        )
    ]
    if results.duplicates:
        shown = results.duplicates[:DUPLICATES_SHOWN]
        listed = (
            "all"
            if len(shown) == len(results.duplicates)
            else f"the first {len(shown)} of {count(len(results.duplicates))}"
        )
        blocks.append(
            numbering.table(
                f"Utterances of different splits with the same content ({listed}).",
                [Column("The same"), Column("Utterances"), Column("Text of the first", "quote")],
                [
                    (group.kind, _members(group.ids, group.splits), shorten(group.text, TEXT_WIDTH) or MISSING)
                    for group in shown
                ],
            )
        )
    return "Checks", blocks


def _members(ids: list[str], splits: list[str]) -> str:
    """Return the utterances of a group with their splits, the first of each split before any others."""
    order = sorted(range(len(ids)), key=lambda i: (splits[:i].count(splits[i]) > 0, i))
    shown = ", ".join(f"{shorten(ids[i], NAME_WIDTH)} ({splits[i]})" for i in order[:IDS_SHOWN])
    return shown if len(ids) <= IDS_SHOWN else f"{shown} and {count(len(ids) - IDS_SHOWN)} more"
