import pytest
from closure import ROOT

from erc_core.errors import ParamsError
from erc_core.params.peers import MultiEmoParams
from erc_core.study.points import base_label, points_of, seeds_of, settings_of

POINTS = {"a": {"jfm.tied": False, "jfm.n_blocks": 1}, "b": {"jfm.n_blocks": 1}, "c": {}}


@pytest.fixture
def make_study(make_params):
    return lambda **changes: make_params(**{f"study__{key}": value for key, value in changes.items()}).study


def test_a_variant_changes_what_it_says_and_nothing_else(make_study):
    study = make_study(variants__own={"points": {"0": {"jfm.joint_len": 0}}})
    (point,) = points_of(study, "own")
    assert (point.label, point.changes, point.value("jfm.joint_len")) == ("0", {"jfm.joint_len": 0}, 0)
    assert point.configuration.jfm.model_copy(update={"joint_len": 4}) == study.base.jfm
    assert point.configuration.model == study.base.model
    assert not point.is_base


def test_points_start_from_the_base_each(make_study):
    a, b, c = points_of(make_study(variants__own={"points": POINTS}), "own")
    assert [point.label for point in (a, b, c)] == ["a", "b", "c"]
    assert (a.value("jfm.tied"), b.value("jfm.tied")) == (False, True)
    assert [point.value("jfm.n_blocks") for point in (a, b, c)] == [1, 1, 2]
    assert [point.is_base for point in (a, b, c)] == [False, False, True]


def test_a_value_that_is_the_bases_own_is_the_full_model_and_moves_with_it(make_study):
    assert [point.label for point in points_of(make_study(), "n_blocks") if point.is_base] == ["2"]
    moved = points_of(make_study(base__jfm__n_blocks=3), "n_blocks")
    assert [point.label for point in moved if point.is_base] == ["3"]
    assert [point.configuration.jfm.n_blocks for point in moved] == [1, 2, 3]


def test_full_itself_and_another_system_are_never_taken_for_the_full_model(make_study):
    study = make_study()
    assert [point.label for point in points_of(study, "full") if point.configuration == study.base] == ["T+A"]
    assert base_label(study) == "T+A"
    assert base_label(make_study(variants__full={"points": {"whole": {}}})) == "whole"
    for variant in ("full", "scfa", "multiemo"):
        assert not any(point.is_base for point in points_of(study, variant))


def test_sweeps_have_seeds_of_their_own(make_study):
    assert seeds_of(make_study(seeds=5), "full") == [0, 1, 2, 3, 4]
    assert seeds_of(make_study(seeds=5), "n_blocks") == [0]
    assert seeds_of(make_study(sweep_seeds=2), "n_blocks") == [0, 1]


def test_a_peer_has_settings_for_the_selected_backbone_and_the_model_has_none(make_params):
    params = make_params()
    assert settings_of(params, "full", "demo") is None
    settings = settings_of(params, "multiemo", "demo")
    assert isinstance(settings, MultiEmoParams)
    assert settings.model_dump(exclude={"datasets"}) == params.study.variants["multiemo"].settings["tiny"]
    lacking = make_params(study__variants__scfa__settings={})
    with pytest.raises(
        ParamsError, match=r"scfa.settings: has nothing for backbone 'tiny'; add study.variants.scfa.settings.tiny"
    ):
        settings_of(lacking, "scfa", "demo")


def test_settings_for_a_dataset_are_those_of_its_folds_and_of_no_other(make_params):
    own = {"iemocap": {"layers": 6, "batch_dialogues": 64}, "iemocap_2": {"layers": 3}}
    params = make_params(study__variants__multiemo__settings__tiny__datasets=own)
    plain = settings_of(make_params(), "multiemo", "demo")
    found = {
        name: settings_of(params, "multiemo", name) for name in ("demo", "meld", "iemocap", "iemocap_1", "iemocap_2")
    }
    assert found["demo"] == found["meld"] == plain
    assert found["iemocap"] == found["iemocap_1"] == plain.model_copy(update=own["iemocap"])
    assert found["iemocap_2"] == plain.model_copy(update=own["iemocap_2"])


def test_multiemo_reads_its_authors_values_for_iemocap(make_params):
    params = make_params(backbone="paper")
    meld, iemocap = (settings_of(params, "multiemo", name) for name in ("meld", "iemocap_4"))
    assert (meld.layers, meld.batch_dialogues, meld.temperature, meld.alpha, meld.gamma) == (2, 100, 1.4, 1.2, 2.0)
    assert (iemocap.layers, iemocap.batch_dialogues) == (6, 64)
    assert (iemocap.temperature, iemocap.alpha, iemocap.gamma) == (0.8, 1.1, 2.4)
    assert (iemocap.swfc_weight, iemocap.soft_hgr_weight, iemocap.ce_weight) == (0.4, 0.4, 0.2)


def test_the_readme_counts_what_the_study_trains(make_params):
    study = make_params().study
    planned = [(point, seeds_of(study, variant)) for variant in study.run for point in points_of(study, variant)]
    again = sum(point.is_base for point, _ in planned)
    trainings = sum(len(seeds) for point, seeds in planned if not point.is_base)
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert again == 2
    assert f"{len(planned)} configurations, of which two are the full model again, and {trainings} trainings" in readme
    assert f"whose {trainings} trainings" in readme
