import polars as pl
import pytest
from made_up_study import study_params, write_study
from pydantic import TypeAdapter

from erc_core.params.data import IngestParams
from erc_core.study.results import read_predictions
from stages.report import main, printed_format

OWN_TABLES = ["demo_calibration.csv", "demo_calibration.tex"]  # of the main model


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
    names = [f"demo_{table}.{kind}" for table in ("ablation", "calibration", "fusion") for kind in ("csv", "tex")]
    assert sorted(path.name for path in folder.iterdir()) == names
    table = pl.read_csv(folder / "demo_ablation.csv")
    assert table["missing"].to_list() == [None, "not in study.run", "not in study.run", None]
    assert "w/o ICL" in (project / "reports/index.html").read_text("utf-8")

    # what is asked for no longer is not shown, though its files lie there
    main(params.model_copy(update={"study": study_params(run=["full", "concatenate"])}))
    assert sorted(path.name for path in folder.iterdir()) == names[2:]  # of the fusions, and of the main model
    markdown = (project / "reports/index.md").read_text("utf-8")
    assert "Missing (–): w/o JFM, w/o v\\_j and w/o ICL, not in study.run." in markdown


@pytest.mark.parametrize(
    ("section", "printed"),
    [
        ({"format": "meld"}, "meld"),
        ({"format": "iemocap"}, "iemocap"),
        ({"format": "iemocap", "fold": 5}, "iemocap"),
        ({"format": "iemocap", "fold": 2}, ""),  # the paper's test split is session 5
    ],
)
def test_only_the_papers_test_split_may_have_its_figures(section, printed):
    assert printed_format(TypeAdapter(IngestParams).validate_python(section)) == printed


@pytest.mark.slow
def test_a_synthetic_dataset_keeps_the_papers_figures_away_from_its_group_and_predictions_are_read_once(
    project, params, write_inputs, monkeypatch
):
    write_inputs(project, "meld", synthetic=False, texts=["No."])
    study = study_params(run=["full", "without_icl"])
    for dataset in ("demo", "meld"):
        write_study(project, study, dataset, n_dialogues=6)
    read = []
    monkeypatch.setattr(
        "stages.report.read_predictions", lambda *of: read.append(of) or read_predictions(*of), raising=True
    )
    main(params.model_copy(update={"datasets": ["demo", "meld"], "groups": {"both": ["demo", "meld"]}, "study": study}))
    printed = {name: pl.read_csv(project / f"reports/tables/{name}_ablation.csv") for name in ("demo", "meld", "both")}
    assert {name: table["acc_paper"].null_count() < len(table) for name, table in printed.items()} == {
        "demo": False, "meld": True, "both": False
    }  # fmt: skip
    assert {name: table["synthetic"].any() for name, table in printed.items()} == {
        "demo": True, "meld": False, "both": True
    }  # fmt: skip
    assert sorted(read) == sorted(set(read))


def test_without_a_study_there_is_a_report_and_no_table_of_one(project, params):
    main(params.model_copy(update={"study": study_params(run=[])}))
    assert sorted(path.name for path in (project / "reports/tables").iterdir()) == OWN_TABLES
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
