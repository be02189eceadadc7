from made_up_study import study_params

from erc_core.params.study import TableParams
from erc_core.report.study.rows import planned_rows


def rows_of(variants, *, points, **table):
    """Return the rows of a table of made-up variants, by name -> points."""
    names = {name: {"points": of_variant} for name, of_variant in points.items()}
    return planned_rows(study_params(**names), TableParams(title="t", variants=variants, **table))


BLOCKS = {n: {"jfm.n_blocks": n} for n in (1, 3)}
JOINT = {n: {"jfm.joint_len": n} for n in (1, 3)}


def test_points_named_by_the_numbers_of_one_key_are_a_curve_with_the_base_in_it():
    points = {
        0.05: {"icl.temperature": 0.05, "jfm.tied": False},
        "1e-1": {"jfm.tied": False},
        "0.50": {"icl.temperature": 0.5},
    }
    kind, key, rows = rows_of(["tau"], points={"tau": points}, labels={"tau": "T"})
    assert (kind, key) == ("sweep", "icl.temperature")
    assert [(row.label, row.group, row.point, row.value) for row in rows] == [
        ("T", "", "0.05", 0.05), ("T", "", "1e-1", 0.1), ("T", "", "0.50", 0.5),
    ]  # fmt: skip
    assert not any(row.is_reference for row in rows)


def test_other_names_and_other_numbers_are_rows_against_the_full_model():
    for points in (
        {"soft": {"icl.temperature": 0.5}, "hard": {"icl.temperature": 0.05}},
        {1: {"jfm.n_blocks": 1}, 3: {"jfm.n_blocks": 4}},  # a number of another value
        {1: {"icl.normalize": True, "icl.weight": 0.2}, 0: {"icl.normalize": False}},  # true is no number
    ):
        kind, key, rows = rows_of(["own"], points={"own": points})
        assert (kind, key) == ("rows", "")
        assert [row.label for row in rows] == ["Full model", *map(str, points)]
        assert [(row.variant, row.is_reference) for row in rows] == [("full", True), ("own", False), ("own", False)]
        assert {row.value for row in rows} == {None}


def test_curves_over_two_keys_are_no_curve():
    labels = {"blocks": "N", "joint": "J"}
    kind, key, rows = rows_of(["blocks", "joint"], points={"blocks": BLOCKS, "joint": JOINT}, labels=labels)
    assert (kind, key) == ("rows", "")
    assert [row.label for row in rows] == ["Full model", "N, 1", "N, 3", "J, 1", "J, 3"]


def test_a_reference_of_several_points_is_its_first():
    layers = {"first": {"jfm.layers": "first"}, "last": {"jfm.layers": "last"}}
    points = {"layers": layers, "one": {"untied": {"jfm.tied": False}}}
    kind, _, rows = rows_of(["one", "layers"], points=points, reference="layers", labels={"one": "own copies"})
    assert kind == "rows"
    assert [(row.label, row.is_reference) for row in rows] == [("own copies", False), ("first", True), ("last", False)]


def test_modalities_need_a_reference_among_the_variants():
    kind, _, rows = rows_of(["jfm", "scfa"], points={}, reference="scfa")
    assert kind == "modalities"
    assert [(row.group, row.label, row.point, row.is_reference) for row in rows] == [
        (modality, variant, modality, variant == "scfa")
        for modality in ("T", "A", "T+A")
        for variant in ("jfm", "scfa")
    ]
    assert rows_of(["jfm", "scfa"], points={})[0] == "rows"
    assert rows_of(["jfm", "without_icl"], points={}, reference="jfm")[0] == "rows"
