import base64
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from matplotlib.image import imread

from erc_core.report.page.content import load_content
from erc_core.report.page.pages import make_document, write_report
from erc_core.report.page.render import render_html, render_markdown

pytestmark = pytest.mark.slow

SECTIONS = [
    "Scores on the test split",
    "Model and choice of epoch",
    "Classes",
    "Can the probabilities be believed?",
    "Most confident errors",
    "Training",
    "Comparison",
    "Ablation",
    "Fusion",
    "Parameter analysis",
    "Switches",
    "Validation curves",
    "Data",
    "Provenance",
]
HOSTILE = "<script>alert(1)</script> | `x` *b* [l](http://e.com) ![i](www.e.com)\nsecond\r\nline \x00\x1b[31m\u202e$a$ \\| &amp;"


class Page(HTMLParser):
    """Tags with their attributes, and the visible text of each kind of element."""

    VOID = frozenset({"meta", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.tags if name in attributes]

    @property
    def visible(self) -> str:
        return self.texts["body"][0]


def tables(markdown: str) -> list[list[list[str]]]:
    """Return the rows of each table, split at pipes that are not escaped."""
    found: list[list[list[str]]] = []
    before = ""
    for line in markdown.splitlines():
        if line.startswith("|"):
            if not before.startswith("|"):
                found.append([])
            found[-1].append(re.split(r"(?<!\\)\|", line)[1:-1])
        before = line
    return found


def contents(root, params):
    return [load_content(dataset, root) for dataset in params.datasets]


@pytest.fixture(scope="module")
def report(tmp_path_factory, params, write_inputs, study_tables):
    root = tmp_path_factory.mktemp("report")
    write_inputs(root)
    write_report(params, contents(root, params), {"demo": study_tables}, root / "reports")
    return root / "reports"


@pytest.fixture
def rendered(tmp_path, params, write_inputs, placeholders):
    """Return a function from changed inputs to the HTML and Markdown, without drawing figures."""

    def render(*, changed=params, study=(), **inputs):
        write_inputs(tmp_path, **inputs)
        document = make_document(changed, contents(tmp_path, changed), {"demo": study}, {"demo": placeholders})
        return render_html(document), render_markdown(document)

    return render


@pytest.mark.slow
def test_the_report_has_its_sections_tables_figures_and_captions(report):
    html, markdown = (report / "index.html").read_text("utf-8"), (report / "index.md").read_text("utf-8")
    page = Page(html)
    assert page.texts["h1"] == ["A report"]
    assert [text.removesuffix(" synthetic corpus") for text in page.texts["h3"]] == SECTIONS
    assert re.findall(r"^### (.*)$", markdown, re.MULTILINE) == SECTIONS

    captions = [re.match(r"(Table|Figure) (\d+)\. \S", text) for text in page.texts["figcaption"]]
    numbers = {kind: [int(m[2]) for m in captions if m[1] == kind] for kind in ("Table", "Figure")}
    # four tables of systems with one of tests each, two of values, one of the trainings, two of the card, three of the
    # probabilities; the figures of the model, its errors, its probabilities, two curves, the trainings of each of six tables
    # and the card
    assert numbers["Table"] == list(range(1, 7 + 2 * 4 + 2 + 1 + 2 + 3 + 1))
    assert numbers["Figure"] == list(range(1, 9 + 2 + 6))
    assert len(page.texts["table"]) == 23
    written = re.findall(r"^\*\*(Table|Figure) (\d+)\.\*\* \S", markdown, re.MULTILINE)
    assert sorted(written) == sorted((m[1], m[2]) for m in captions)

    for text in (page.visible, markdown):
        assert not re.search(r"\b(nan|none|null|inf)\b|\{\{|\}\}|\{%|Drawn\(|Undefined", text, re.IGNORECASE)
        for phrase in (
            "had no part in this",
            "every training is scored on it",
            "90% percentile bootstrap",
            "200 resamples",
            "412,345",
        ):
            assert phrase in text
        assert "read once" not in text  # each question and each training of the study is scored on the test split
    assert markdown.endswith("\n")


def test_numbers_are_those_of_the_files(report, params):
    content = load_content("demo", report.parent)
    markdown = (report / "index.md").read_text("utf-8")
    m = content.metrics
    assert (
        f"| Weighted F1 | {100 * m.wf1:.1f}% | 90% interval {100 * m.wf1_low:.1f}–{100 * m.wf1_high:.1f}% |" in markdown
    )
    wrong = content.predictions.filter(pl.col("emotion") != pl.col("predicted"))
    errors = next(t for t in tables(markdown) if t[0][-1] == " p(gold) ")[2:]
    assert len(errors) == params.report.top_errors
    top = wrong.sort("confidence", descending=True).row(0, named=True)
    assert errors[0][0].strip() == f"`{top['utterance_id']}`"
    assert errors[0][-2].strip() == f"{100 * top['confidence']:.1f}%"
    assert f"{wrong.height} utterances of 48" in markdown


def test_html_opens_offline_and_its_links_lead_somewhere(report):
    page = Page((report / "index.html").read_text("utf-8"))
    assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    ids = page.attributes("id")
    assert len(set(ids)) == len(ids)
    assert set(page.attributes("href")) <= {f"#{name}" for name in ids}
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert (
        len(images) == 8 + 2 + 2 + 8
    )  # two of the model's figures have two panels, two are of its probabilities; one panel for each of three systems, five tables
    svgs = [*report.glob("figures/demo/*.svg"), report / "demo/data_figures/lengths.svg"]
    embedded = [base64.b64decode(image["src"].removeprefix("data:image/svg+xml;base64,")) for image in images]
    assert sorted(embedded) == sorted(path.read_bytes() for path in svgs)
    assert all(len(image["alt"]) > 20 for image in images)
    css = page.texts["style"][0]
    assert "url(" not in css
    assert "@import" not in css
    assert not [name for name in (n for _, attributes in page.tags for n in attributes) if name.startswith("on")]


def test_markdown_links_pictures_that_are_not_blank(report):
    markdown = (report / "index.md").read_text("utf-8")
    links = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", markdown)
    pictures = [*report.glob("figures/demo/*.png"), report / "demo/data_figures/lengths.png"]
    assert sorted(links) == sorted(path.relative_to(report).as_posix() for path in pictures)
    for link in links:
        assert (imread(report / link)[..., :3] < 0.9).mean() > 0.01


def test_the_same_inputs_give_the_same_bytes(report, params, study_tables):
    made = [*report.glob("index.*"), *report.glob("figures/demo/*"), *report.glob("tables/*")]
    assert len(made) == 2 + 2 * (11 + 8) + 2 * 7
    before = {path: path.read_bytes() for path in made}
    write_report(params, contents(report.parent, params), {"demo": study_tables}, report)
    assert {path: path.read_bytes() for path in made} == before


def test_a_synthetic_corpus_is_announced_everywhere_and_another_is_not(rendered, study_tables):
    html, markdown = rendered(study=study_tables)
    banner = "This corpus is synthetic speech by eSpeak NG; its scores say nothing about people."
    assert html.count(banner) == 1
    css = Page(html).texts["style"][0]
    assert re.search(r"\.banner \{[^}]*position: sticky", css)
    assert re.search(r"@media print \{.*\.banner \{[^}]*position: fixed", css, re.DOTALL)
    assert Page(html).texts["h3"][0].endswith(" synthetic corpus")
    assert markdown.splitlines()[2] == f"> **Synthetic speech.** {banner}"
    assert "\n## Dataset demo (synthetic corpus)\n" in markdown
    # said where a reader comes from, and not before each of a dozen sections
    assert markdown.lower().count("synthetic") == 3
    html, markdown = rendered(synthetic=False)
    assert "synthetic" not in Page(html).visible.lower()
    assert 'class="banner"' not in html
    assert "synthetic" not in markdown.lower()


def test_two_datasets_have_a_summary_and_numbers_that_go_on(tmp_path, params, write_inputs, placeholders):
    both = params.model_copy(update={"datasets": ["demo", "meld"]})
    write_inputs(tmp_path, "demo")
    write_inputs(tmp_path, "meld", synthetic=False, n_dialogues=5)
    drawn = {"demo": placeholders, "meld": placeholders}
    document = make_document(both, contents(tmp_path, both), {"demo": [], "meld": []}, drawn)
    html, markdown = render_html(document), render_markdown(document)
    page = Page(html)
    assert len(set(page.attributes("id"))) == len(page.attributes("id"))
    assert page.texts["h2"] == ["Summary", "Dataset demo synthetic corpus", "Dataset meld"]
    assert "The corpus demo is synthetic speech" in page.visible
    summary = tables(markdown)[0]
    assert [row[0].strip() for row in summary[2:]] == ["demo", "meld"]
    assert [row[1].strip() for row in summary[2:]] == ["synthetic", "recorded"]
    numbers = [int(n) for n in re.findall(r"^\*\*Figure (\d+)\.", markdown, re.MULTILINE)]
    assert numbers == list(range(1, 17))
    assert "## Dataset demo (synthetic corpus)\n" in markdown
    assert "synthetic" not in markdown.split("## Dataset meld")[1].lower()


def test_hostile_text_stays_text(rendered):
    html, markdown = rendered(
        texts=[HOSTILE], card=HOSTILE, commit=HOSTILE, weights=HOSTILE, files={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE}, params={"jfm": {HOSTILE: HOSTILE}},
    )  # fmt: skip
    page = Page(html)
    assert "script" not in {tag for tag, _ in page.tags}
    assert "<script>alert(1)</script>" in page.visible
    assert all(href.startswith("#demo") for href in page.attributes("href"))
    # what stands in a cell is what was said, but for controls and line ends
    expected = HOSTILE.replace("\n", " ").replace("\r", "").translate({0: "\ufffd", 0x1B: "\ufffd", 0x202E: "\ufffd"})
    assert expected in page.texts["td"]
    for text in (html, markdown):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    for table in tables(markdown):
        assert len({len(row) for row in table}) == 1
        for row in table[2:]:
            for cell in row:
                # nothing that Markdown would act on is left unescaped, outside code of harmless characters
                bare = re.sub(r"^ `[A-Za-z0-9 ./:;,=()@#%*_+-]+` $", "", cell)
                assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]<>|$&]", bare)
                assert "://" not in bare
                assert "www." not in bare


def test_a_hostile_label_and_title_stay_text(tmp_path, params, write_inputs, placeholders):
    changed = params.model_copy(update={"report": params.report.model_copy(update={"title": "<b>T</b>\n# `x`"})})
    write_inputs(tmp_path, labels=["neutral", "joy", "anger", "<i>|fear"])
    document = make_document(changed, contents(tmp_path, changed), {"demo": []}, {"demo": placeholders})
    page, markdown = Page(render_html(document)), render_markdown(document)
    assert "i" not in {tag for tag, _ in page.tags}
    assert page.texts["h1"] == ["<b>T</b> # `x`"]
    assert markdown.startswith("# \\<b\\>T\\</b\\> # \\`x\\`\n")
    assert all(len({len(row) for row in table}) == 1 for table in tables(markdown))


def test_a_class_that_is_absent_from_test_is_said_to_be(rendered):
    html, markdown = rendered(gold_labels=["neutral", "joy", "anger"])
    assert "No utterance of the test split is labelled fear." in Page(html).visible
    assert re.search(r"^\| fear \| – \| – \| – \| 0 \|$", markdown, re.MULTILINE)


def test_no_errors_and_none_wanted(rendered, params):
    html, markdown = rendered(all_right=True)
    for text in (Page(html).visible, markdown):
        assert "Every utterance of the test split is predicted rightly." in text
    assert "p(gold)" not in markdown
    none = params.model_copy(update={"report": params.report.model_copy(update={"top_errors": 0})})
    html, markdown = rendered(changed=none)
    assert "none is listed, as report.top_errors is 0" in Page(html).visible
    assert "p(gold)" not in markdown


def test_a_single_dialogue_has_no_intervals_and_the_page_says_why(rendered):
    html, markdown = rendered(n_dialogues=1)
    for text in (Page(html).visible, markdown):
        assert "There are no intervals: the test split has 1 dialogue, and" in text
        assert "no interval" in text
        assert not re.search(r"\b(nan|none|null)\b", text, re.IGNORECASE)


def test_the_data_card_is_in_the_report_with_its_figures(rendered):
    html, markdown = rendered(card="seven clips are silent")
    for text in (Page(html).visible, markdown):
        data = text.split("The data card, demo/data.md beside this report, says the same.")[1].split("\nProvenance\n")[
            0
        ]
        parts = ("Warning: seven clips are silent.", "demo: classes.", "demo: classes in each split.", "demo: lengths.",
                 "demo: lengths of clips.", "1 text was longer than text")  # fmt: skip
        assert [data.count(part) for part in parts] == [1] * len(parts)
        assert sorted(parts, key=data.index) == list(parts)
    assert "](demo/data_figures/lengths.png)" in markdown
    html, _ = rendered(truncated_texts=0)
    assert "No text was longer than" in html


def test_the_stage_imports_no_deep_learning(tmp_path):
    code = "import sys, stages.report; print(sorted({'torch', 'transformers', 'timm'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert ran.stdout == "[]\n", ran.stderr


def test_a_page_about_few_speakers_says_why_it_has_no_intervals(tmp_path, params, write_inputs, placeholders):
    write_inputs(tmp_path, unit="speaker")
    (content,) = contents(tmp_path, params)
    few = {f"{name}_{end}": None for name in ("acc", "wf1", "macro_f1") for end in ("low", "high")}
    content = replace(content, metrics=content.metrics.model_copy(update=few))
    markdown = render_markdown(make_document(params, [content], {"demo": []}, {"demo": placeholders}))
    assert "There are no intervals: the test split has 1 speaker, and" in markdown
    assert "resamples of whole test speakers, because utterances of one speaker" in markdown
