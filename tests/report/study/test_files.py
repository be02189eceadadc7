import re
import shutil
import subprocess
from dataclasses import replace

import polars as pl
import pytest
from made_up_study import TABLES, by_dialogue, study_params, write_study

from erc_core.errors import ErcError
from erc_core.params.training import EvaluateParams
from erc_core.report.page.render import escape_latex, latex_points
from erc_core.report.study.files import csv_table, latex, write_tables
from erc_core.report.study.tables import StudySource, make_tables
from erc_core.report.study.text import shown_tables
from erc_core.study.results import read_results

pytestmark = pytest.mark.slow

EVALUATE = EvaluateParams(bootstrap_samples=100, confidence=0.95, seed=0, batch_size=8)
HOSTILE = 'a_b & 50% $x$ #1 {y} ~^\\z [*] <tag> “q” é – −1 ± "w" |\n[b]'
TEXTS = {
    "title": HOSTILE,
    "variants": ["without_icl", "without_jfm"],
    "labels": {"without_icl": HOSTILE, "without_jfm": "* [x]"},
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Return tables of every kind, with the paper's figures, missing rows and hostile words."""
    root = tmp_path_factory.mktemp("study")
    run = ["full", "jfm", "scfa", "without_jfm", "without_icl", "n_blocks"]
    study = study_params(run=run, tables=TABLES | {"hostile": TEXTS})
    write_study(root, study, "meld", n_dialogues=10)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        results = {name: read_results("meld", name) for name in run}
        source = StudySource("meld", "meld", False, study, EVALUATE, results, lambda name: by_dialogue("meld", name))
        return {table.name: table for table in make_tables(source)}


@pytest.fixture(scope="module")
def folder(tables, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "tables"
    folder.mkdir()
    (folder / "demo_fusion.csv").write_text("of an earlier study", encoding="utf-8")
    write_tables(list(tables.values()), EVALUATE, folder)
    return folder


@pytest.mark.slow
def test_there_are_two_files_for_each_table_that_shows_something(folder):
    shown = ("ablation", "comparison", "hostile", "n_blocks")  # the other variants were not run
    assert sorted(path.name for path in folder.iterdir()) == [
        f"meld_{name}.{ending}" for name in shown for ending in ("csv", "tex")
    ]


def test_csv_has_every_number_unrounded(folder, tables):
    read = pl.read_csv(folder / "meld_ablation.csv")
    table = tables["ablation"]
    assert read["row"].to_list() == [row.label for row in table.rows]
    for row, cells in zip(table.rows, read.iter_rows(named=True), strict=True):
        for metric in ("acc", "wf1"):
            score, difference = row.scores.get(metric), row.differences.get(metric)
            assert cells[f"{metric}_mean"] == (score.mean if score else None)
            assert cells[f"{metric}_high"] == (score.high if score else None)
            assert cells[f"{metric}_difference"] == (difference.mean if difference else None)
            assert cells[f"{metric}_p_t_holm"] == (difference.p_t_holm if difference else None)
            assert cells[f"{metric}_averaged_low"] == (difference.low if difference else None)
            assert cells[f"{metric}_star"] == (difference.star if difference else None)
            assert cells[f"{metric}_paper"] == row.paper.get(metric)
    icl = read.row(by_predicate=pl.col("variant") == "without_icl", named=True)
    assert icl["acc_paper_gap"] == icl["acc_difference"] + 0.0097
    assert (icl["parameters"], icl["memory"], icl["seeds"], icl["devices"]) == (
        250_000,
        "resident",
        "0 1 2",
        "CPU: AMD EPYC, 1 threads",
    )
    gone = read.row(by_predicate=pl.col("variant") == "without_joint_vectors", named=True)
    assert gone["missing"] == "not in study.run"
    assert gone["acc_paper"] == -0.0193
    assert {gone[name] for name in ("acc_mean", "acc_sd", "wf1_difference", "parameters", "acc_paper_gap")} == {None}


def test_csv_of_a_sweep_has_its_values(tables):
    table = csv_table(tables["n_blocks"])
    assert set(table["key"]) == {"jfm.n_blocks"}
    assert table["value"].to_list() == ["1", "2", "3", "4", "5"]
    assert table["acc_sd"].is_null().to_list() == [True, False, True, True, True]


def cells(line):
    """Count the cells of a line of a tabular, those that span columns as so many."""
    spans = [int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
    return len(re.findall(r"(?<!\\)&", line)) + 1 + sum(spans) - len(spans)


@pytest.mark.parametrize("name", ["comparison", "ablation", "n_blocks", "hostile"])
def test_latex_is_well_formed(tables, name):
    text = latex(tables[name], EVALUATE)
    floats = re.findall(r"\\begin\{(table\*?)\}.*?\\end\{\1\}", text, re.DOTALL)
    assert len(floats) == (1 if name == "n_blocks" else 2)
    opened = []
    for kind, environment in re.findall(r"\\(begin|end)\{([a-z*]+)\}", text):
        if kind == "begin":
            opened.append(environment)
        else:
            assert opened.pop() == environment
    assert not opened
    assert re.sub(r"\\[{}]", "", text).count("{") == re.sub(r"\\[{}]", "", text).count("}")
    assert len(re.findall(r"\\caption\{.", text)) == len(floats)
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert labels == [f"tab:meld-{name}", f"tab:meld-{name}-tests"][: len(floats)]
    for columns, body in re.findall(r"\\begin\{tabular\}\{([lr]+)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL):
        assert body.startswith(r"\toprule")
        assert body.rstrip().endswith(r"\bottomrule")
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(rows) > 3
        assert {cells(row) for row in rows} == {len(columns)}
        # what a row begins with is not taken for an argument of the \\ before it
        assert not [row for row in rows if row.lstrip().startswith(("[", "*"))]
    assert not re.search(r"\b(nan|None|null)\b", text)


def test_latex_says_what_the_table_says(tables):
    text = latex(tables["ablation"], EVALUATE)
    row = tables["ablation"].rows[1]
    score, difference = row.scores["acc"], row.differences["acc"]
    star = r"\rlap{$^{*}$}" if difference.star else ""
    line = next(line for line in text.splitlines() if line.startswith("w/o JFM &"))
    assert line.split(" & ")[1] == rf"{100 * score.mean:.2f} $\pm$ {100 * score.sd:.2f}{star}"
    assert line.split(" & ")[2] == f"$-${-100 * difference.mean:.2f}"
    assert line.split(" & ")[3] == "$-$5.64"
    assert "not in study.run" in text
    assert "w/o $v_j$ & -- & -- & " in text
    assert r"\multicolumn{3}{l}{\textit{T (text)}}" not in text


def test_every_special_character_is_escape_latex():
    assert escape_latex("50% of ab_c & $5 #1 {x}") == r"50\% of ab\_c \& \$5 \#1 \{x\}"
    assert escape_latex("~^\\") == r"\textasciitilde{}\textasciicircum{}\textbackslash{}"
    assert escape_latex("−1 ± 2 – “q”") == r"$-$1 $\pm$ 2 -- ``q''"


COMPILER = shutil.which("tectonic") or shutil.which("pdflatex")


@pytest.mark.skipif(COMPILER is None, reason="no LaTeX here; test_latex_is_well_formed reads the files instead")
def test_latex_compiles(folder, tmp_path):
    inputs = "\n".join(rf"\input{{{path.as_posix()}}}" for path in sorted(folder.glob("*.tex")))
    document = rf"\documentclass[twocolumn]{{article}}\usepackage{{booktabs}}\begin{{document}}{inputs}\end{{document}}"
    (tmp_path / "paper.tex").write_text(document, encoding="utf-8")
    options = [] if "tectonic" in COMPILER else ["-interaction=nonstopmode", "-halt-on-error"]
    ran = subprocess.run([COMPILER, *options, "paper.tex"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000


def test_tables_of_a_synthetic_corpus_say_so_wherever_they_go(tables):
    for synthetic in (True, False):
        table = replace(tables["ablation"], synthetic=synthetic)
        captions = re.findall(r"\\caption\{(.*)\}", latex(table, EVALUATE))
        assert len(captions) == 2
        assert ["Synthetic corpus: speech by eSpeak NG" in caption for caption in captions] == [synthetic] * 2
        assert csv_table(table)["synthetic"].to_list() == [synthetic] * len(table.rows)


def test_two_tables_of_one_name_are_refused_with_both(tables, tmp_path):
    first, second = (
        replace(tables["ablation"], dataset="a", name="b_c"),
        replace(tables["ablation"], dataset="a_b", name="c"),
    )
    with pytest.raises(ErcError, match=r"a_b_c\.csv: would be table 'c' of a_b and 'b_c' of a; give one"):
        write_tables([first, second], EVALUATE, tmp_path / "tables")


@pytest.mark.parametrize("name", ["comparison", "ablation", "n_blocks"])
def test_a_latex_table_is_no_wider_than_its_place(tables, name):
    has_paper = name == "ablation"  # with the paper's columns there is no room for intervals of scores
    text = latex(tables[name], EVALUATE)
    floats = re.findall(r"\\begin\{(table\*?)\}", text)
    for table, place in zip(shown_tables(tables[name], EVALUATE, intervals=not has_paper), floats, strict=True):
        assert latex_points(table) < {"table": 219, "table*": 455}[place]
        assert " & ".join(column.title for column in table.columns).replace("%", r"\%").replace("±", r"$\pm$") in text
