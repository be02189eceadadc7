"""What is said about a corpus, for its data card and for the report. All text is plain: the template escapes it."""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from erc_core.report.card.checks import NAME_WIDTH, CheckResults
from erc_core.report.card.issues import ISSUES_FILE
from erc_core.report.card.source import CardSource
from erc_core.report.page.clean import shorten
from erc_core.report.page.document import Block, Cells, Drawn, Picture, Section, Table, heads, number_heads
from erc_core.report.page.formats import MISSING, SPLIT_TITLES, count, first_of, percent, plural, value
from erc_core.run.paths import reports_folder
from erc_core.store.clips import ClipStatus, count_statuses
from erc_core.store.utterances import stand_alone

CLASSES_SHOWN = 100
PROBLEMS_SHOWN = 20
ISSUES_SHOWN = 3  # of each kind and action, by name
KINDS_SHOWN = 100
DUPLICATES_SHOWN = 10
IDS_SHOWN = 6  # of a group of duplicates
TEXT_WIDTH = 120  # characters of a text or a detail
DETAIL_WIDTH = 160  # characters of what a decoder says about a clip
FACT_WIDTH = 400
ALL = "all"
STATUS_WORDS = {
    ClipStatus.OK: "ordinary clip",
    ClipStatus.CUT_OFF: "ends before its own header says",
    ClipStatus.DAMAGED: "parts of it cannot be decoded",
    ClipStatus.TOO_LONG: "longer than audio.max_seconds",
    ClipStatus.MISSING: "no file",
    ClipStatus.UNDECODABLE: "file cannot be decoded",
    ClipStatus.EMPTY: "no samples",
    ClipStatus.TOO_SHORT: "shorter than audio.min_seconds",
    ClipStatus.NOT_FINITE: "samples that are not finite",
    ClipStatus.SILENT: "quieter than audio.silence_dbfs",
}


def corpus_sections(
    source: CardSource, issues: pl.DataFrame, results: CheckResults, drawn: Drawn, drawn_unit: str
) -> list[Section]:
    """Describe a corpus; drawn_unit is what the figure of lengths shows: "s" of clips, or "words" of texts."""
    sections: dict[str, Sequence[Block]] = {
        "Warnings": [f"Warning: {warning}." for warning in results.warnings],
        "Size": _sizes(source.utterances),
        "Classes": [_classes(source.utterances)],
        "Lengths": [_lengths(source.utterances), _lengths_picture(drawn, drawn_unit)],
        "Facts of ingest": _facts(source),
        "Clips": _clips(source),
        "Excluded or handled": _handled(source, issues),
        "Checks": _checks(results),
    }
    return [Section(title, title.split()[0].lower(), blocks) for title, blocks in sections.items() if blocks]


def by_split(table: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """Return the rows of each split under its title, then all rows."""
    return [(title, table.filter(pl.col("split") == split)) for split, title in SPLIT_TITLES.items()] + [(ALL, table)]


def _sizes(table: pl.DataFrame) -> list[Block]:
    sizes = Table(
        "Size of the splits. Hours are of the clips as they came; hours used, of the speech that features are made of.",
        heads("Split", "#Utterances", "#With text", "#With audio", "#Dialogues", "#Speakers", "#Hours", "#Hours used"),
        [
            (
                title,
                count(len(rows)),
                count(rows["text_hash"].count()),
                count(rows["audio_hash"].count()),
                MISSING if stand_alone(table) else count(rows["dialogue_id"].drop_nulls().n_unique()),
                count(rows["speaker"].drop_nulls().n_unique()) if rows["speaker"].count() else MISSING,
                f"{rows['seconds'].sum() / 3600:,.2f}",
                f"{rows['used_seconds'].sum() / 3600:,.2f}",
            )
            for title, rows in by_split(table)
        ],
    )
    unnamed = table["speaker"].null_count()
    without = f"{plural(unnamed, 'utterance')} without the name of a speaker."
    return [sizes, without] if unnamed else [sizes]


def _classes(table: pl.DataFrame) -> Table:
    splits = by_split(table)
    counts = {title: dict(rows.group_by("emotion").len().rows()) for title, rows in splits}
    train = counts[SPLIT_TITLES["train"]]
    labels = sorted(counts[ALL], key=lambda label: (-train.get(label, 0), -counts[ALL][label], label))

    def row(name: str, members: Sequence[str]) -> Cells:
        cells = [name]
        for title, rows in splits:
            n = sum(counts[title].get(label, 0) for label in members)
            cells += [count(n), percent(n / len(rows) if len(rows) else None)]
        return tuple(cells)

    rows = [row(shorten(label, NAME_WIDTH), [label]) for label in labels[:CLASSES_SHOWN]]
    if len(labels) > CLASSES_SHOWN:
        rows.append(row(f"{count(len(labels) - CLASSES_SHOWN)} smaller classes", labels[CLASSES_SHOWN:]))
    return Table(
        f"Utterances of {count(len(labels))} classes, and their share of the split, the most frequent in train first.",
        [*heads("Emotion"), *number_heads(head for title, _ in splits for head in (title, "share"))],
        rows,
    )


def _lengths(table: pl.DataFrame) -> Table:
    text = pl.col("text").fill_null("")
    texts = table.filter(pl.col("text_hash").is_not_null()).select(
        "split", words=text.str.extract_all(r"\S+").list.len(), characters=text.str.len_chars()
    )
    measured = (
        ("seconds of a clip", table, "seconds", 2),
        ("words of a text", texts, "words", 1),
        ("characters of a text", texts, "characters", 1),
    )
    return Table(
        "Lengths of clips as they came, and of texts. 95% are no longer than the length in the column of that name.",
        heads("Length", "#Number", "#Mean", "#Median", "#95%", "#Longest"),
        [
            (f"{what}, {title}", *_statistics(part[column], digits))
            for what, of, column, digits in measured
            for title, part in by_split(of)
        ],
    )


def _statistics(column: pl.Series, digits: int) -> Cells:
    known = column.drop_nulls().cast(pl.Float64).to_numpy()
    if not len(known):
        return "0", MISSING, MISSING, MISSING, MISSING
    values = (known.mean(), np.median(known), np.quantile(known, 0.95))
    # words and characters are whole, so the longest is
    longest = f"{known.max():,.{digits if digits > 1 else 0}f}"
    return count(len(known)), *(f"{number:,.{digits}f}" for number in values), longest


def _lengths_picture(drawn: Drawn, unit: str) -> Picture:
    shown = "texts in words, as no clip has a known length: share of each split"
    if unit == "s":
        shown = "clips as they came: share of each split in bins of equal width on a logarithmic axis"
    alt = "Histograms of lengths, one for each split; the numbers are in the table above."
    return Picture(f"Lengths of {shown}.", alt, drawn)


def _facts(source: CardSource) -> list[Block]:
    facts = {name: fact_in_words(fact) for name, fact in source.facts.items()}
    settings = {name: value(setting) for name, setting in source.ingest.items()}
    section = f"Parameters of ingest: section ingest.{source.dataset} of params.yaml."
    tables = (
        ("What the reader of the raw files reports.", heads("Fact", "Value"), facts),
        (section, heads("`Parameter", "`Value"), settings),
    )
    return [
        Table(caption, columns, [(shorten(name, NAME_WIDTH), shorten(of, FACT_WIDTH)) for name, of in words.items()])
        for caption, columns, words in tables
        if words
    ]


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


def _clips(source: CardSource) -> list[Block]:
    counts = count_statuses(source.utterances.select(status="clip_status"))
    statuses = Table(
        "Clips of all splits by what became of them. An utterance keeps its text whatever its clip is like.",
        heads("`Status", "Meaning", "#Clips", "What is done"),
        [(status.value, STATUS_WORDS[status], count(counts[status]), status.action) for status in ClipStatus],
    )
    problems = source.utterances.filter(pl.col("clip_status") != ClipStatus.OK.value)
    if counts[ClipStatus.MISSING] == len(source.utterances):
        return [statuses, "The corpus has no clip at all: it is read as text."]
    if problems.is_empty():
        return [statuses, "No clip needed special treatment."]
    shown = problems.head(PROBLEMS_SHOWN).select("utterance_id", "split", "clip_status", "clip_detail")
    listed = Table(
        f"Clips that are not ordinary, and what was done ({first_of(len(shown), len(problems))}).",
        heads("`Utterance", "Split", "`Status", "“Detail", "What was done"),
        [
            (name, split, status, shorten(detail, DETAIL_WIDTH) or MISSING, ClipStatus(status).action)
            for name, split, status, detail in shown.iter_rows()
        ],
    )
    hidden = len(problems) - len(shown)
    more = f"{count(hidden)} more: see {_issues_file(source)} for all of them."
    return [statuses, listed, more] if hidden else [statuses, listed]


def _issues_file(source: CardSource) -> str:
    return (reports_folder(source.dataset) / ISSUES_FILE).as_posix()


def _handled(source: CardSource, issues: pl.DataFrame) -> list[Block]:
    if issues.is_empty():
        text = (
            "Nothing was excluded, and nothing needed a rule: every clip is ordinary, and the reader reports no issue."
        )
        return [text]
    rules = issues.group_by("kind", "action", maintain_order=True).agg(
        pl.len(), names=pl.col("where").head(ISSUES_SHOWN), detail=pl.col("detail").first()
    )
    rows = []
    for kind, action, n, names, detail in rules.head(KINDS_SHOWN).iter_rows():
        more = f" and {count(n - len(names))} more" if n > len(names) else ""
        named = ", ".join(shorten(name, NAME_WIDTH) for name in names) + more
        cells = (shorten(kind, NAME_WIDTH), count(n), shorten(action, TEXT_WIDTH), named)
        rows.append((*cells, shorten(detail, TEXT_WIDTH) or MISSING))
    blocks: list[Block] = [
        Table(
            f"What was met by a rule: {plural(len(issues), 'record')}, from the reading of the raw files and from decoding.",
            heads("Kind", "#Records", "What was done", "Where", "What was found in the first"),
            rows,
        )
    ]
    if len(rules) > KINDS_SHOWN:
        blocks.append(f"{count(len(rules) - KINDS_SHOWN)} further kinds are in the list.")
    pointer = f"All of them, each with its reason, are in {_issues_file(source)}."
    if issues["where"].is_duplicated().any():
        pointer += (
            " An utterance that several rules met, such as one of the reader and one of the decoder, is there for each."
        )
    return [*blocks, pointer]


def _checks(results: CheckResults) -> list[Block]:
    checks = Table(
        "Checks of the corpus as the stages use it.",
        heads("Check", "Result", "What was found"),
        [(name, outcome.result, outcome.words) for name, outcome in results.outcomes.items()],
    )
    if not results.duplicates:
        return [checks]
    shown = results.duplicates[:DUPLICATES_SHOWN]
    duplicates = Table(
        f"Utterances of different splits with the same content ({first_of(len(shown), len(results.duplicates))}).",
        heads("The same", "Utterances", "“Text of the first"),
        [
            (group.kind, _members(group.ids, group.splits), shorten(group.text, TEXT_WIDTH) or MISSING)
            for group in shown
        ],
    )
    return [checks, duplicates]


def _members(ids: list[str], splits: list[str]) -> str:
    """Return the utterances of a group with their splits, the first of each split before any others."""
    order = sorted(range(len(ids)), key=lambda i: (splits[:i].count(splits[i]) > 0, i))
    shown = ", ".join(f"{shorten(ids[i], NAME_WIDTH)} ({splits[i]})" for i in order[:IDS_SHOWN])
    return shown if len(ids) <= IDS_SHOWN else f"{shown} and {count(len(ids) - IDS_SHOWN)} more"
