import copy

import pytest
from closure import ROOT
from ruamel.yaml import YAML

from erc_core.errors import ParamsError
from erc_core.params.load import check_params

TREE = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def study(**changes):
    tree = copy.deepcopy(TREE)
    for key, value in changes.items():
        *sections, last = key.split("__")
        section = tree["study"]
        for name in sections:
            section = section[name]
        section[last] = value
    return check_params(tree).study


def test_the_base_is_the_main_model_as_it_is_shipped():
    params = check_params(TREE)
    assert params.study.base.model == params.model
    assert params.study.base.jfm == params.jfm
    assert params.study.base.icl == params.icl


def test_a_variant_changes_what_it_says_and_nothing_else():
    shipped = study(variants__own={"set": {"jfm.joint_len": 0}})
    (point,) = shipped.points("own")
    assert point.configuration.jfm.joint_len == 0
    assert point.configuration.jfm.model_copy(update={"joint_len": 4}) == shipped.base.jfm
    assert point.configuration.model == shipped.base.model
    assert not point.is_base


def test_named_points_start_from_the_same_configuration_each():
    shipped = study(variants__own={"set": {"jfm.n_blocks": 1}, "points": {"a": {"jfm.tied": False}, "b": {}}})
    a, b = shipped.points("own")
    assert (a.name, a.value, a.key, b.name) == ("a", "a", None, "b")
    assert not a.configuration.jfm.tied
    assert b.configuration.jfm.tied
    assert a.configuration.jfm.n_blocks == b.configuration.jfm.n_blocks == 1


def test_a_value_that_is_the_bases_own_is_the_full_model_and_moves_with_it():
    assert [point.name for point in study().points("n_blocks") if point.is_base] == ["2"]
    moved = study(base__jfm__n_blocks=3)
    assert [point.name for point in moved.points("n_blocks") if point.is_base] == ["3"]
    assert [point.configuration.jfm.n_blocks for point in moved.points("n_blocks")] == [1, 2, 3, 4, 5]


def test_full_itself_and_another_system_are_never_taken_for_the_full_model():
    shipped = study()
    assert [point.name for point in shipped.points("full") if point.configuration == shipped.base] == ["T+A"]
    assert shipped.base_value == "T+A"
    assert not any(point.is_base for point in shipped.points("full"))
    assert study(variants__full={}).base_value is None
    assert not any(point.is_base for point in study().points("scfa"))


def test_sweeps_have_seeds_of_their_own():
    assert study(seeds=5).seeds_of("full") == [0, 1, 2, 3, 4]
    assert study(seeds=5).seeds_of("n_blocks") == [0]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"run": ["full", "ful"]}, r"study.run: 'ful' is not under study.variants"),
        ({"run": ["full", "full"]}, "study.run: 'full' is there twice"),
        ({"variants__full": {"set": {"icl.weight": 0.0}}}, r"study.variants.full: allowed are `over` and `points`"),
        ({"variants__full": {"over": {"model.modality": ["T", "A"]}}}, "study.variants.full: has no point that is study.base"),
        ({"variants__own": {"over": {"icl.weight": [0.1]}, "points": {"a": {}}}}, "study.variants.own: has `over` and `points`"),
        ({"variants__own": {"points": {"a": {"jfm.blocks": 1}}}}, "study.variants.own: jfm.blocks is no key of study.base"),
        ({"variants__scfa__points": {"a": {"jfm.joint_len": 0}}}, "jfm.joint_len does not concern scfa"),
        ({"variants__own": {"set": {"jfm.blocks": 1}}}, "study.variants.own: jfm.blocks is no key of study.base"),
        ({"variants__own": {"set": {"jfm.n_blocks": 0}}}, "study.variants.own: jfm.n_blocks = 0: .*greater than or equal to 1"),
        ({"variants__own": {"over": {"jfm.n_blocks": [1, 1]}}}, "allowed is a list of different values"),
        ({"run": ["full", "own"], "variants__own": {"set": {"jfm.n_blocks": 7}}}, "study.variants.own: jfm.n_blocks = 7: allowed is 1 to"),
        ({"variants__own": {"settings": {"tiny": {}}}}, "study.variants.own.settings: allowed only with system"),
        ({"variants__scfa__set": {"jfm.joint_len": 0}}, "jfm.joint_len does not concern scfa"),
        ({"variants__scfa__settings__tiny__width": 0}, "study.variants.scfa.settings.tiny.width = 0"),
        ({"variants__scfa__settings__tiny": {}}, "study.variants.scfa.settings.tiny.width: missing"),
        ({"tables__fusion__rows": {"CFA": "caf"}}, "study.tables.fusion.rows.CFA = 'caf': allowed are the names"),
        ({"tables__fusion__reference": "JFM"}, "study.tables.fusion.reference = 'JFM': allowed is full or"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(changes, told):
    with pytest.raises(ParamsError, match=told):
        study(**changes)
