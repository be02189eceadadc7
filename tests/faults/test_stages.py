"""A few faults of each kind against the stages, the same ones every time; the campaign is `python -m benchmarks.faults`."""

import pytest

from benchmarks.faults import GROUPS

SEED = "0"
NUMBERS = {
    "kills": range(3),
    "ctrl-c": range(1),
    "full disks": range(2),
    "twice at once": range(1),
    "damaged files": range(4),
    "damaged checkpoints": range(1),
    "bad parameters": range(4),
    "bad tables": range(4),
    "bad clips": range(4),
}


@pytest.mark.parametrize(("group", "number"), [(group, n) for group, numbers in NUMBERS.items() for n in numbers])
def test_it_is_met_as_it_should_be(workshop, group, number):
    if GROUPS[group].project != "table":
        pytest.importorskip("espeakng_loader")
    done = workshop.do(group, number, SEED)
    if not done:
        pytest.skip("no file system can be mounted here")
    assert [f"{one.case.name}: {one.case.wrong}" for one in done if not one.case.passed] == []


def test_every_kind_but_what_takes_long_is_here():
    assert GROUPS.keys() - NUMBERS.keys() == {"ctrl-c while loading"}
