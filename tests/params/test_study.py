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


def test_changes_replace_what_they_name_and_nothing_else():
    base = study().base
    changed = base.changed({"jfm.joint_len": 0, "icl.weight": 0.5})
    assert (changed.jfm.joint_len, changed.icl.weight) == (0, 0.5)
    assert changed.jfm.model_copy(update={"joint_len": base.jfm.joint_len}) == base.jfm
    assert changed.icl.model_copy(update={"weight": base.icl.weight}) == base.icl
    assert changed.model == base.model
    assert base.changed({}) == base == study().base


def test_a_label_that_yaml_reads_as_a_number_is_its_text():
    points = {1: {}, 0.5: {"icl.weight": 0.5}, "1 and 2": {"icl.weight": 0.2}}
    assert list(study(variants__own={"points": points}).variants["own"].points) == ["1", "0.5", "1 and 2"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run": ["full", "ful"]}, r"study.run: 'ful' is not under study.variants; allowed are \['full', 'scfa'"),
        ({"run": ["full", "full"]}, "study.run: 'full' is there twice"),
        ({"variants__Own": {"points": {"a": {}}}}, "study.variants.Own: allowed are lower-case letters"),
        ({"variants": {"own": {"points": {"a": {}}}}, "run": [], "tables": {}}, "study.variants.full: has to be there"),
        ({"variants__full__system": "scfa"}, "study.variants.full: has to be there, with `points` alone"),
        ({"variants__full__sweep": True}, "study.variants.full: has to be there, with `points` alone"),
        ({"variants__full": {"set": {"icl.weight": 0.0}}}, r"study.variants.full.set: is no key of a variant; write .* points: {tau"),
        ({"variants__own": {"over": {"icl.weight": [0.1]}}}, r"study.variants.own.over: is no key of a variant; write .* as points"),
        ({"variants__full": {"points": {"T": {"model.modality": "T"}}}}, "study.variants.full.points: has no point that is study.base"),
        ({"variants__own": {}}, "study.variants.own.points: missing"),
        ({"variants__own": {"points": {}}}, r"study.variants.own.points = {}: allowed is a section that is not empty"),
        ({"variants__own": {"points": {True: {}}}}, r"study.variants.own.points.\w+ = True: allowed is a text"),
        ({"variants__own": {"points": {"a": {"jfm.blocks": 1}}}}, "study.variants.own.points.a: jfm.blocks is no key of study.base"),
        ({"variants__own": {"points": {"a": {"blocks": 1}}}}, "study.variants.own.points.a: blocks is no key of study.base"),
        ({"variants__own": {"points": {"a": {"jfm.n_blocks": 0}}}}, "study.variants.own.points.a: jfm.n_blocks = 0: .*greater than or equal to 1"),
        ({"variants__own": {"points": {"a": {"model.modality": "T", "model.fusion": "late"}}}}, "own.points.a: model.fusion = 'late': allowed is 'jfm' while"),
        ({"variants__own": {"points": {"a": {"jfm.n_blocks": 1}, "b": {"jfm.n_blocks": 1}}}}, "own.points.b: is the same configuration as a"),
        ({"run": ["full", "own"], "variants__own": {"points": {"a": {"jfm.n_blocks": 7}}}}, "study.variants.own.points.a: jfm.n_blocks = 7: allowed is 1 to"),
        ({"variants__own": {"points": {"a": {}}, "settings": {"tiny": {}}}}, "study.variants.own.settings: allowed only with system scfa or multiemo"),
        ({"variants__own": {"points": {"a": {}}, "system": "jfm"}}, r"study.variants.own.system = 'jfm': allowed are \['scfa', 'multiemo'\]"),
        ({"variants__scfa__points": {"a": {"jfm.joint_len": 0}}}, "study.variants.scfa.points.a: jfm.joint_len does not concern scfa; allowed is model.modality"),
        ({"variants__scfa__settings__tiny__width": 0}, "study.variants.scfa.settings.tiny.width = 0"),
        ({"variants__scfa__settings__tiny__heads": 3}, "study.variants.scfa.settings.tiny.heads = 3: allowed are divisors of width"),
        ({"variants__scfa__settings__tiny": {}}, "study.variants.scfa.settings.tiny.width: missing"),
        ({"variants__scfa__settings__tiny__depth": 2}, "study.variants.scfa.settings.tiny.depth: unknown key"),
        ({"variants__scfa__settings__tiny__datasets": {"iemocap": {"width": 0}}}, "study.variants.scfa.settings.tiny.datasets.iemocap.width = 0"),
        ({"variants__scfa__settings__tiny__datasets": {"iemocap": {"depth": 0}}}, "settings.tiny.datasets.iemocap.depth: unknown key"),
        ({"variants__scfa__settings__tiny__datasets": {"iemocap": {"heads": 3}}}, "settings.tiny.datasets.iemocap.heads = 3: allowed are divisors"),
        ({"variants__scfa__settings__tiny__datasets": {"iemocap": {"datasets": {}}}}, "settings.tiny.datasets.iemocap.datasets: unknown key"),
        ({"variants__scfa__settings__tiny__datasets": {"iemocop": {}}}, "study.variants.scfa.settings.tiny.datasets: 'iemocop' is not under ingest; allowed are"),
        ({"variants__scfa__settings": {"tny": TREE["study"]["variants"]["scfa"]["settings"]["tiny"]}}, "study.variants.scfa.settings: 'tny' is not under backbones; allowed are"),
        ({"tables__fusion__variants": ["caf"]}, "study.tables.fusion.variants: 'caf' is not under study.variants; allowed are"),
        ({"tables__fusion__reference": "full"}, "study.tables.fusion.reference: 'full' is not among its variants; allowed are"),
        ({"tables__n_blocks__labels": {"N": "n_blocks"}}, "study.tables.n_blocks.labels: 'N' is not among its variants; allowed are"),
        ({"tables__scores": {"title": "t", "variants": ["full"]}}, "study.tables.scores: take another name"),
        ({"tables__calibration": {"title": "t", "variants": ["full"]}}, "study.tables.calibration: take another name"),
        ({"tables__Own": {"title": "t", "variants": ["full"]}}, "study.tables.Own: allowed are lower-case letters"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_place(changes, message):
    with pytest.raises(ParamsError, match=message) as caught:
        study(**changes)
    lines = {line.split(" = ")[0] for line in str(caught.value).splitlines()}
    assert len(lines) == (
        10 if "missing" in message and "scfa" in message else 1
    )  # one mistake, but for empty settings


def test_too_many_blocks_of_the_base_are_one_mistake_and_not_one_of_each_point():
    with pytest.raises(ParamsError) as caught:
        study(base__jfm__n_blocks=6, run=["full", "ablation", "readings"])
    assert [line.split(" = ")[0] for line in str(caught.value).splitlines()] == [
        "params.yaml: study.base: jfm.n_blocks"
    ] * 2
