import re
from dataclasses import replace

import pytest
from made_up_study import TABLES, study_params

from erc_core.report.page.document import DatasetPart, Document, Picture, Table
from erc_core.report.page.render import render_html, render_markdown
from erc_core.report.study.sections import study_sections
from erc_core.report.study.text import paired_words, shown_tables

pytestmark = pytest.mark.slow

SCORES = ["mean ± sd", "95% interval"]
TESTS = ["Model", "Score", "difference", "p, t-test", "difference", "90% interval", "p, bootstrap"]
SWEEP = ["mean", "sd", "mean", "sd", "Seeds", "Parameters", "Activations (MiB)", "Epoch (s)", "Latency (ms)"]
TRAININGS = ["Model", "Seeds", "Epochs", "Best epoch", "Validation W-F1", "Stopped by"]


@pytest.fixture
def sections(params, placeholders):
    def make(tables):
        return study_sections(tables, placeholders, params.evaluate)

    return make


def tables_of(sections):
    return [block for section in sections for block in section.blocks if isinstance(block, Table)]


def pages(sections):
    document = Document("T", "", [DatasetPart("demo", synthetic=False, sections=sections)])
    return render_html(document), render_markdown(document)


def test_structure(sections, study_tables):
    made = sections(study_tables)
    interval = "90% interval"  # of params.evaluate
    scores, against = ["mean ± sd", interval] * 2, ["mean ± sd", interval, "diff."] * 2
    expected = [
        ("Comparison", "JFM and two systems", [["Model", *scores], TESTS], [9, 12]),
        ("Ablation", "the full model without", [["Model", *against], TESTS], [4, 6]),
        ("Fusion", "other fusions", [["Model", *against], TESTS], [3, 4]),
        ("Parameter analysis", "number of blocks", [["N", *SWEEP], ["J", *SWEEP]], [5, 7]),
        ("Switches", "other readings", [["Model", *against], TESTS], [3, 4]),
        ("Validation curves", "", [TRAININGS], [26]),  # those of the full model, in six tables, once
    ]
    assert [section.title for section in made] == [title for title, *_ in expected]
    assert len({section.anchor for section in made}) == len(made)
    assert [isinstance(block, Picture) for block in made[3].blocks] == [True, False, True, False]
    for section, (_, words, columns, heights) in zip(made, expected, strict=True):
        tables = tables_of([section])
        assert tables[0].caption.startswith(f"demo, test split: {words}" if words else "demo: the trainings")
        assert [[column.title for column in table.columns] for table in tables] == columns
        assert [len(table.rows) for table in tables] == heights
        for table in tables:
            assert all(len(row) == len(table.columns) for row in table.rows)
            assert not re.search(r"\b(nan|None|inf)\b", str(table))
    comparison, tests = tables_of(made)[:2]
    assert comparison.groups == [(0, "T (text)"), (3, "A (speech)"), (6, "T+A (text and speech)")]
    assert tests.groups == [(0, "T (text)"), (4, "A (speech)"), (8, "T+A (text and speech)")]


def test_cells_are_the_numbers_in_percent_and_points(sections, study_tables):
    source = next(table for table in study_tables if table.name == "ablation")
    scores, tests, _ = tables_of(sections([source]))
    row = source.rows[1]
    acc, difference = row.scores["acc"], row.differences["acc"]
    star = "*" if difference.star else ""
    assert scores.rows[1][:3] == (
        "w/o JFM",
        f"{100 * acc.mean:.2f} ± {100 * acc.sd:.2f}{star}",
        f"{100 * acc.low:.2f}–{100 * acc.high:.2f}",
    )
    assert float(scores.rows[1][3].replace("−", "-")) == pytest.approx(100 * difference.mean, abs=0.005)
    assert scores.rows[0][3] == "–"
    assert tests.rows[0][:2] == ("w/o JFM", "Accuracy")
    assert tests.rows[1][:2] == ("w/o JFM", "Weighted F1")
    low, high = (float(end.replace("−", "-")) for end in tests.rows[0][5].split(" to "))
    assert (low, high) == pytest.approx((100 * difference.low, 100 * difference.high), abs=0.005)


def test_notes_say_what_was_tested_and_where_the_numbers_come_from(sections, study_tables):
    for scores, tests in zip(
        *[iter(tables_of(sections([t for t in study_tables if t.kind != "sweep"])[:-1]))] * 2, strict=True
    ):
        origin = scores.notes[-1]
        for words in (
            "Weights: random",
            "Seeds: 0, 1, 2.",
            "Hardware: CPU",
            "float32",
            "0123456789ab",
        ):
            assert words in origin
        (tested,) = [note for note in tests.notes if note.startswith("Tested: ")]
        assert tested.count(".") == 1  # one sentence
        for words in ("paired by seed", "200 resamples of whole test dialogues", "Holm"):
            assert words in tested
    sweep = next(table for table in study_tables if table.name == "n_blocks")
    table, _ = tables_of(sections([sweep]))
    assert "Seeds: 0 (N = 1, 3, 4, 5); 0, 1, 2 (N = 2)." in table.notes[-1]


def test_a_star_stands_where_the_corrected_t_test_says_so(sections, study_tables):
    (table,) = [table for table in study_tables if table.name == "ablation"]

    def with_p(p):
        rows = [
            replace(row, differences={m: replace(d, p_t_holm=p) for m, d in row.differences.items()})
            if row.label == "w/o ICL" else
            replace(row, differences={m: replace(d, p_t_holm=1.0) for m, d in row.differences.items()})
            for row in table.rows
        ]  # fmt: skip
        return tables_of(sections([replace(table, rows=tuple(rows))]))[0]

    starred = with_p(0.049)
    assert [[cell.endswith("*") for cell in row].count(True) for row in starred.rows] == [0, 0, 0, 2]
    assert (
        "* differs from the full model by a paired t-test over seeds (p < 0.05 after Holm’s correction)."
        in starred.notes
    )
    plain = with_p(0.05)
    assert "*" not in str(plain.rows)
    assert any(note.startswith("No stars: the paired t-test") for note in plain.notes)


def test_one_seed_shows_no_spread_and_no_star(sections, make_study, tmp_path):
    tables = make_study(tmp_path, study=study_params(seeds=1, run=["full", "without_jfm", "n_blocks"]))
    made = tables_of(sections(tables))
    (scores,) = [table for table in made if "without one of its parts" in table.caption]
    assert [column.title for column in scores.columns] == ["Model", "score", "diff.", "score", "diff."]
    assert "No stars: a star stands for a paired t-test over seeds, which needs several seeds." in scores.notes
    assert not re.search(r"±|\*|t-test", str([table.rows for table in made]))
    (tests,) = [table for table in made if "p values" in table.caption]
    assert [column.title for column in tests.columns] == [
        "Model",
        "Score",
        "Difference",
        "90% interval",
        "p, bootstrap",
    ]
    assert "t-test" not in tests.notes[0]
    (sweep,) = [table for table in made if "number of blocks" in table.caption]
    assert "sd" not in [column.title for column in sweep.columns]


def test_a_difference_over_the_seeds_that_both_have_says_so(params, study_tables):
    ablation = next(table for table in study_tables if table.name == "ablation")
    assert paired_words(ablation) == ""
    first, second, *others = ablation.rows
    fewer = replace(ablation, rows=(first, replace(second, runs=second.runs[:1]), *others))
    assert "over the seeds that both have" in shown_tables(fewer, params.evaluate)[0].caption


def test_a_missing_variant_is_a_dash_with_a_note_and_never_zero(sections, make_study, tmp_path):
    run = ["full", "jfm", "multiemo", "without_jfm", "concatenate"]
    made = sections(make_study(tmp_path, study=study_params(run=run)))
    comparison, _, ablation, *_ = tables_of(made)
    assert [row[1:] for row in comparison.rows if row[0] == "SCFA"] == [("–",) * 4] * 3
    assert "Missing (–): SCFA, not in study.run." in comparison.notes
    assert [row[0] for row in ablation.rows if set(row[1:]) == {"–"}] == ["w/o v_j", "w/o ICL"]
    assert "Missing (–): w/o v_j and w/o ICL, not in study.run." in ablation.notes
    by_title = {section.title: section for section in made}
    texts = [block for block in by_title["Switches"].blocks if isinstance(block, str)]
    assert texts == [
        "Nothing to show of “other readings of the paper”. Missing (–): literal streams and untied, not in study.run."
    ]
    assert not any(isinstance(block, Picture) for block in by_title["Parameter analysis"].blocks)


def test_a_study_that_ran_nothing_is_a_line(sections):
    (section,) = sections([])
    (paragraph,) = section.blocks
    assert (section.title, section.anchor) == ("Study", "study")
    assert "study.run in params.yaml is empty" in paragraph


def test_the_paper_has_columns_for_its_own_corpora(sections, make_study, tmp_path, study_tables):
    study = study_params(run=["full", "jfm", "without_icl"])
    comparison, ablation, *_ = tables_of(sections(make_study(tmp_path, "meld", study)))
    heads = [column.title for column in comparison.columns]
    assert heads == ["Model", *["mean ± sd", "90% interval", "paper", "gap"] * 2]
    row = dict(zip([c.group + c.title for c in comparison.columns], comparison.rows[2], strict=True))
    assert row["Model"] == "JFM"
    assert (row["Accuracy (%)paper"], row["Weighted F1 (%)paper"]) == ("62.82", "60.68")
    measured = float(row["Accuracy (%)mean ± sd"].split()[0])
    assert float(row["Accuracy (%)gap"].replace("−", "-")) == pytest.approx(measured - 62.82, abs=0.011)
    assert "Shi et al." in comparison.caption
    icl = next(row for row in ablation.rows if row[0] == "w/o ICL")
    assert icl[4] == "−0.97"
    assert all("paper" not in str(table.columns) for table in tables_of(sections(study_tables)))


def test_heads_span_their_columns_on_the_page(sections, study_tables):
    html, markdown = pages(sections(study_tables))
    for table in re.findall(r"<table>.*?</table>", html, re.DOTALL):
        rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
        widths = {
            sum(int(span or 1) for span in re.findall(r'<t[hd](?:(?! colspan)[^>])*(?: colspan="(\d+)")?[^>]*>', row))
            for row in rows
        }
        assert len(widths) == 1
    assert html.count('scope="rowgroup"') == 6
    assert "| **T (text)** | | | | |" in markdown
    for lines in re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE):
        assert len({line.count("|") for line in lines.splitlines()}) == 1


def test_hostile_words_of_a_study_stay_text(sections, make_study, tmp_path):
    hostile = "<script>x</script> | `y` *b* [l](http://e.com)"
    tables = TABLES | {"own": {"title": hostile, "variants": ["without_icl"], "labels": {"without_icl": hostile}}}
    study = study_params(run=["full", "without_icl"], tables=tables)
    html, markdown = pages(sections(make_study(tmp_path, study=study, weights=hostile, commit=hostile)))
    assert "<script" not in html
    assert html.count("&lt;script&gt;x&lt;/script&gt;") > 3
    assert "<script" not in markdown.replace("\\<", "")
    assert not re.search(r"(?<!\\)\]\(http", markdown)


def test_a_training_whose_best_epoch_was_its_last_is_marked_beside_its_row_and_among_all(sections, study_tables):
    (table,) = [table for table in study_tables if table.name == "ablation"]
    (text, *_), curves = sections([table])[-1].blocks, tables_of(sections([table]))[-1]
    assert "Patience ended 12 of 12 trainings. By construction these have their best epoch before the last" in text
    assert "cut off by the largest number of epochs, here 0." in text
    assert not re.search("†", str(sections([table])))
    assert curves.rows[1] == ("w/o JFM", "0, 1, 2", "12, 12, 12", "9, 9, 9", "70.00, 70.00, 70.00", "patience")

    first, second, *others = table.rows
    last = second.runs[1].model_copy(update={"best_epoch": 12, "stopped_by": "epochs"})
    rows = (first, replace(second, runs=(second.runs[0], last, second.runs[2])), *others)
    made = sections([replace(table, rows=rows)])
    assert "Patience ended 11 of 12 trainings." in made[-1].blocks[0]
    assert "cut off by the largest number of epochs, here 1 (marked †)." in made[-1].blocks[0]
    scores, _, curves = tables_of(made)
    assert "† The best epoch was the last, so that more might have raised the score: w/o JFM (seed 1)." in scores.notes
    assert curves.rows[1][3:] == ("9, 12†, 9", "70.00, 70.00, 70.00", "patience (2), no epoch left (1)")


def test_trainings_whose_score_stood_still_are_named(sections, study_tables):
    (table,) = [table for table in study_tables if table.name == "ablation"]
    assert tables_of(sections([table]))[-1].notes == []

    first, second, *others = table.rows
    runs = [
        run.model_copy(update={"val_curve": curve})
        for run, curve in zip(
            second.runs, ([0.1, 0.5, 0.4, 0.4, 0.4, 0.4], [0.5, 0.4, 0.4, 0.4], [0.5] * 4), strict=True
        )
    ]
    made = sections([replace(table, rows=(first, replace(second, runs=tuple(runs)), *others))])
    (note,) = tables_of(made)[-1].notes
    assert note.startswith("The validation score was the same to four digits in each of the last 4 epochs")
    assert note.endswith(": w/o JFM (seed 0, 2).")


def test_peers_say_what_they_are_beside_their_rows(sections, study_tables):
    (table,) = [table for table in study_tables if table.name == "comparison"]
    rows = [
        replace(row, origin=replace(row.origin, weights="none", precision="float64", differences=("a", "b")))
        if row.label == "SCFA" else row
        for row in table.rows
    ]  # fmt: skip
    notes = tables_of(sections([replace(table, rows=tuple(rows))]))[0].notes
    assert "SCFA as it stands here is not its authors’ code: a; b. Weights: none; precision: float64." in notes
    assert [note.split(" as ")[0] for note in notes if "authors’ code" in note] == ["SCFA", "MultiEMO"]
    assert "Precision: float64 (SCFA); float32 (MultiEMO and JFM)." in notes[-1]


def test_a_row_says_what_it_changes_and_a_table_what_params_yaml_adds(sections, make_study, tmp_path):
    raw = {"points": {"raw": {"icl.normalize": False, "icl.temperature": 20.0}}}
    own = {"own": {"title": "own", "variants": ["raw"], "note": "tau was chosen on validation."}}
    made = make_study(tmp_path, study=study_params(run=["full", "raw"], tables=own, raw=raw))
    notes = tables_of(sections(made))[0].notes
    assert "Changed, of study.base: raw: icl.normalize = false, icl.temperature = 20.0." in notes
    assert "tau was chosen on validation." in notes
