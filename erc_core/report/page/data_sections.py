"""What the report says about the corpus of one dataset and about where its results come from."""

from dataclasses import replace
from typing import Any

from erc_core.report.page.content import DatasetContent
from erc_core.report.page.document import Block, Details, Drawn, Picture, Section, Table, heads
from erc_core.report.page.figures import MOST_NAMES
from erc_core.report.page.formats import duration, plural, value


def data_section(content: DatasetContent, classes: Drawn) -> Section:
    """Say what the data card says, with the figure of the classes in each split after its table of them."""
    name, n = content.dataset, content.facts.truncated_texts
    text = (
        "What the corpus holds after its raw files were read and its clips decoded, what was met by a rule, and the checks "
        f"for leaks between splits. The data card, {name}/data.md beside this report, says the same."
    )
    labels = content.labels
    first = f" Drawn are the first {MOST_NAMES} of {len(labels):,} classes." if len(labels) > MOST_NAMES else ""
    picture = Picture(
        f"{name}: classes in each split. Bars show the share of the split's utterances, the numbers beside them the "
        f"utterances.{first}",
        "Grouped bars of the share of each class by split; the counts are in the table above.",
        classes,
    )
    blocks: list[Block] = [text]
    for section in content.card.sections:
        blocks += [_of_card(block, name) for block in section.blocks]
        if section.title == "Classes":
            blocks.append(picture)
    cut = "No text was" if n == 0 else f"{plural(n, 'text')} {'was' if n == 1 else 'were'}"
    blocks.append(f"{cut} longer than text.max_tokens and cut to it.")
    return Section("Data", "data", blocks)


def _of_card(block: Block, dataset: str) -> Block:
    """Return a block of the data card as it stands in the report, which lies one folder above."""
    if isinstance(block, Picture):
        block = replace(block, drawn=replace(block.drawn, png=f"{dataset}/{block.drawn.png}"))
    if isinstance(block, Picture | Table):
        return replace(block, caption=f"{dataset}: {block.caption[0].lower()}{block.caption[1:]}")
    return block


def provenance_section(content: DatasetContent) -> Section:
    """Say where the results come from: code, libraries, hardware, parameters, files."""
    name, facts, training = content.dataset, content.facts, content.training
    origin = Table(
        f"{name}: code, hardware and libraries of the run.",
        heads("What", "`Value"),
        [
            ("Commit", facts.commit or "not recorded"),
            ("Hardware", training.device),
            ("Precision", training.precision),
            ("Training time", duration(training.seconds)),
            *sorted(facts.versions.items()),
        ],
    )
    parameters = Table(
        f"{name}: parameters of the model and the training.", heads("`Parameter", "`Value"), _flat(facts.params)
    )
    files = Table(f"{name}: SHA-256 of the files of the run.", heads("`File", "`SHA-256"), sorted(facts.files.items()))
    return Section("Provenance", "provenance", [origin, Details("Parameters and checksums", [parameters, files])])


def _flat(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, ...]]:
    """Return nested parameters as pairs of a dotted key and a value."""
    rows: list[tuple[str, ...]] = []
    for key, setting in tree.items():
        rows += _flat(setting, f"{prefix}{key}.") if isinstance(setting, dict) else [(f"{prefix}{key}", value(setting))]
    return rows
