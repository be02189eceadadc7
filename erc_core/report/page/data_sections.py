"""What the report says about the corpus of one dataset and about where its results come from."""

from typing import Any

from erc_core.report.page.clean import shorten
from erc_core.report.page.content import DatasetContent
from erc_core.report.page.document import Block, Column, Details, Drawn, Numbering, Paragraph, Section, Table
from erc_core.report.page.formats import MISSING, count, duration, plural, value
from erc_core.store.clips import ClipStatus

PROBLEMS_SHOWN = 20
DETAIL_WIDTH = 160  # characters of what a decoder says about a clip
SPLITS = {"train": "train", "dev": "dev (validation)", "test": "test"}
STATUS_WORDS = {
    ClipStatus.OK: "ordinary clip",
    ClipStatus.CUT_OFF: "shorter than its own header says",
    ClipStatus.TOO_LONG: "longer than audio.max_seconds",
    ClipStatus.MISSING: "no file",
    ClipStatus.UNDECODABLE: "file cannot be decoded",
    ClipStatus.EMPTY: "no samples",
    ClipStatus.TOO_SHORT: "shorter than audio.min_seconds",
    ClipStatus.NOT_FINITE: "samples that are not finite",
    ClipStatus.SILENT: "quieter than audio.silence_dbfs",
}


def data_section(content: DatasetContent, drawn: Drawn, numbering: Numbering) -> Section:
    """Describe the corpus: splits, classes, clips.

    Args:
        content: What is known about the dataset.
        drawn: The figure of the classes in each split.
        numbering: Of tables and figures, continued.

    Returns:
        The section.
    """
    name, results = content.dataset, content.results
    splits = {split: results.splits[split] for split in SPLITS}
    sizes = numbering.table(
        f"{name}: size of the splits. Hours are of decoded speech.",
        [
            Column("Split"),
            Column("Utterances", "number"),
            Column("Dialogues", "number"),
            Column("Speakers", "number"),
            Column("Hours", "number"),
        ],
        [
            (SPLITS[split], count(s.utterances), count(s.dialogues), count(s.speakers), f"{s.hours:.2f}")
            for split, s in splits.items()
        ],
    )
    classes = numbering.table(
        f"{name}: utterances of each class.",
        [Column("Emotion"), *(Column(SPLITS[split], "number") for split in splits)],
        [(label, *(count(s.emotions.get(label, 0)) for s in splits.values())) for label in content.labels],
    )
    picture = numbering.picture(
        f"{name}: classes in each split. Bars show the share of the split's utterances, the numbers beside them the "
        "utterances.",
        f"Grouped bars of the share of each class by split; the counts are in Table {classes.number}.",
        drawn,
    )
    facts = numbering.table(
        f"{name}: facts of ingest. The data card, {name}/data.md beside this report, has the lengths and the checks for leaks.",
        [Column("Fact"), Column("Value", "number")],
        [(fact, value(found)) for fact, found in results.ingest.items()],
    )
    blocks: list[Block] = [sizes, classes, picture, facts, _clips(content, numbering)]
    if results.clips.get(ClipStatus.MISSING, 0) == sum(results.clips.values()):
        blocks.append(Paragraph("The corpus has no clip at all: it is read as text."))
    elif results.problems:
        blocks.append(_problems(content, numbering))
        hidden = len(results.problems) - PROBLEMS_SHOWN
        if hidden > 0:
            blocks.append(
                Paragraph(f"{count(hidden)} more: see the list “problems” in data/results/{name}.json for all of them.")
            )
    else:
        blocks.append(Paragraph("No clip needed special treatment."))
    n = results.truncated_texts
    cut = "No text was" if n == 0 else f"{plural(n, 'text')} {'was' if n == 1 else 'were'}"
    blocks.append(Paragraph(f"{cut} longer than text.max_tokens and cut to it."))
    return Section("Data", f"{name}-data", tuple(blocks))


def provenance_section(content: DatasetContent, numbering: Numbering) -> Section:
    """Say where the results come from: code, libraries, hardware, parameters, files.

    Args:
        content: What is known about the dataset.
        numbering: Of tables and figures, continued.

    Returns:
        The section.
    """
    name, results = content.dataset, content.results
    origin = numbering.table(
        f"{name}: code, hardware and libraries of the run.",
        [Column("What"), Column("Value", "code")],
        [
            ("Commit", results.commit or "not recorded"),
            ("Hardware", results.training.device),
            ("Precision", results.training.precision),
            ("Training time", duration(results.training.seconds)),
            *((library, version) for library, version in sorted(results.versions.items())),
        ],
    )
    parameters = numbering.table(
        f"{name}: parameters of the model and the training.",
        [Column("Parameter", "code"), Column("Value", "code")],
        _flat(results.params),
    )
    files = numbering.table(
        f"{name}: SHA-256 of the files of the run.",
        [Column("File", "code"), Column("SHA-256", "code")],
        sorted(results.files.items()),
    )
    details = Details("Parameters and checksums", (parameters, files))
    return Section("Provenance", f"{name}-provenance", (origin, details))


def _clips(content: DatasetContent, numbering: Numbering) -> Table:
    clips = dict(content.results.clips)
    rows: list[tuple[str, ...]] = [
        (status.value, STATUS_WORDS[status], count(clips.pop(status.value, 0)), status.action) for status in ClipStatus
    ]
    rows += [(status, MISSING, count(n), MISSING) for status, n in sorted(clips.items())]
    return numbering.table(
        f"{content.dataset}: clips of all splits by what became of them. An utterance keeps its text whatever its clip "
        "is like.",
        [Column("Status", "code"), Column("Meaning"), Column("Clips", "number"), Column("What is done")],
        rows,
    )


def _problems(content: DatasetContent, numbering: Numbering) -> Table:
    problems = content.results.problems
    shown = problems[:PROBLEMS_SHOWN]
    listed = "all" if len(shown) == len(problems) else f"the first {len(shown)} of {count(len(problems))}"
    return numbering.table(
        f"{content.dataset}: clips that are not ordinary, and what was done ({listed}).",
        [
            Column("Utterance", "code"),
            Column("Split"),
            Column("Status", "code"),
            Column("Detail", "quote"),
            Column("What was done"),
        ],
        [
            (p.utterance_id, p.split, p.status, shorten(p.detail or "", DETAIL_WIDTH) or MISSING, p.action)
            for p in shown
        ],
    )


def _flat(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, ...]]:
    """Return nested parameters as pairs of a dotted key and a value."""
    rows: list[tuple[str, ...]] = []
    for key, setting in tree.items():
        rows += _flat(setting, f"{prefix}{key}.") if isinstance(setting, dict) else [(f"{prefix}{key}", value(setting))]
    return rows
