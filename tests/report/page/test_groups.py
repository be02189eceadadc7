from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from erc_core.errors import ErcError
from erc_core.report.page.content import load_content
from erc_core.report.page.groups import check_group, group_scores
from erc_core.report.page.pages import write_report

pytestmark = pytest.mark.slow


@pytest.fixture
def of_two(tmp_path, params, write_inputs):
    write_inputs(tmp_path, "demo")
    write_inputs(tmp_path, "meld", synthetic=False, n_dialogues=5)
    changes = {"datasets": ["demo", "meld"], "groups": {"both": ["demo", "meld"], "other": ["demo", "iemocap"]}}
    return params.model_copy(update=changes), [load_content(name, tmp_path) for name in ("demo", "meld")]


def test_mean_and_deviation_are_numpys_and_every_dataset_counts_alike(of_two):
    table = group_scores(of_two[1])
    assert table["dataset"].to_list() == ["demo", "meld", "mean", "sd"]
    assert table["synthetic"].to_list() == [True, False, True, True]
    for name in ("acc", "wf1", "macro_f1"):
        own = [content.metrics.score(name)[0] for content in of_two[1]]
        assert table[name].to_list() == pytest.approx([*own, np.mean(own), np.std(own, ddof=1)])
    assert table["n"].to_list() == [content.metrics.n for content in of_two[1]] + [None, None]


def test_a_group_has_a_part_of_its_own_where_all_of_its_datasets_are_built(of_two, make_study, tmp_path):
    params, contents = of_two
    study = make_study(tmp_path, "both")
    write_report(params, contents, {"demo": [], "meld": [], "both": study}, tmp_path / "reports")
    page = (tmp_path / "reports/index.md").read_text(encoding="utf-8")
    assert page.index("## Group both") < page.index("## Dataset demo") < page.index("## Dataset meld")
    assert "Group other" not in page
    assert "| Standard deviation |" in page
    written = pl.read_csv(tmp_path / "reports/tables/both_scores.csv")
    assert written.equals(group_scores(contents))
    assert (tmp_path / "reports/tables/both_ablation.csv").is_file()
    assert (tmp_path / "reports/figures/both/n_blocks.png").is_file()
    assert '<article id="both">' in (tmp_path / "reports/index.html").read_text(encoding="utf-8")


def test_datasets_of_other_classes_or_with_common_test_utterances_are_no_group(of_two):
    _, (demo, meld) = of_two
    ids = meld.predictions.with_columns(utterance_id=pl.lit("other/") + pl.col("utterance_id"))
    apart = replace(meld, predictions=ids)
    check_group("both", [demo, apart])
    with pytest.raises(
        ErcError, match=r"groups\.both: the test splits of demo and meld share utterances, such as test/dia"
    ):
        check_group("both", [demo, meld])
    other = replace(apart, facts=apart.facts.model_copy(update={"labels": ["calm", *apart.labels[1:]]}))
    with pytest.raises(ErcError, match=r"groups\.both: demo has the classes .* meld has .*calm.* take one"):
        check_group("both", [demo, other])


def test_without_a_study_a_group_has_its_scores(of_two, tmp_path):
    params, contents = of_two
    write_report(params, contents, {"demo": [], "meld": [], "both": []}, tmp_path / "reports")
    assert "## Group both" in (tmp_path / "reports/index.md").read_text(encoding="utf-8")
