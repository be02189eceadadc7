import polars as pl
import pytest
from made_up_study import study_params, write_study

from stages.report import main


@pytest.fixture
def project(tmp_path, write_inputs, monkeypatch):
    write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_stage_shows_the_variants_that_are_asked_for(project, params):
    run = ["full", "without_icl", "concatenate"]
    write_study(project, study_params(run=run), n_dialogues=6)
    main(params.model_copy(update={"study": study_params(run=run)}))
    folder = project / "reports/tables"
    names = ["demo_ablation.csv", "demo_ablation.tex", "demo_fusion.csv", "demo_fusion.tex"]
    assert sorted(path.name for path in folder.iterdir()) == names
    table = pl.read_csv(folder / "demo_ablation.csv")
    assert table["missing"].to_list() == [None, "not in study.run", "not in study.run", None]
    assert "w/o ICL" in (project / "reports/index.html").read_text("utf-8")

    # what is asked for no longer is not shown, though its files lie there
    main(params.model_copy(update={"study": study_params(run=["full", "concatenate"])}))
    assert sorted(path.name for path in folder.iterdir()) == names[2:]
    markdown = (project / "reports/index.md").read_text("utf-8")
    assert "Missing (–): w/o JFM, w/o v\\_j and w/o ICL, not in study.run." in markdown


def test_without_a_study_there_is_a_report_and_an_empty_folder_of_tables(project, params):
    main(params.model_copy(update={"study": study_params(run=[])}))
    assert list((project / "reports/tables").iterdir()) == []
    assert "study.run in params.yaml is empty" in (project / "reports/index.html").read_text("utf-8")


HOSTILE = ['so "glad"', '"quoted"', "joy, surprise", "don't", "two\nlines", "😀 happy 🎉", "=cmd|' /C calc'!A0", "x" * 300,
           "</style><script>alert(1)</script>", "</td>|$\\input{x}$`_*"]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Glyph")  # no font has every emoji
def test_a_label_may_hold_anything(tmp_path, write_inputs, params, monkeypatch):
    write_inputs(tmp_path, labels=HOSTILE, n_dialogues=12)
    study = study_params(run=["full", "without_icl"])
    write_study(tmp_path, study, labels=HOSTILE, n_dialogues=6)
    monkeypatch.chdir(tmp_path)
    main(params.model_copy(update={"study": study}))
    page = (tmp_path / "reports/index.html").read_text("utf-8")
    assert all(
        shown in page for shown in ("so &#34;glad&#34;", "joy, surprise", "don&#39;t", "😀 happy 🎉", "two lines")
    )
    assert "<script" not in page
    assert pl.read_csv(tmp_path / "reports/tables/demo_ablation.csv")["missing"].to_list()[0] is None
