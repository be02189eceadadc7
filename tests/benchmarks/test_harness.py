import json
import socket

import pytest

from benchmarks.harness import (
    Contender,
    Measured,
    Run,
    add_up,
    fastest_peer,
    find,
    finish,
    goal,
    measure,
    row,
    summarize,
)


def measured(name, *seconds, role="peer", **parts):
    return Measured(name, role, [Run(s, {part: s * share for part, share in parts.items()}) for s in seconds])


def test_ratios_are_taken_within_a_round():
    # the machine was ten times slower in the second round, and the peer twice as slow as ours in every round
    ours, peer = measured("ours", 1.0, 10.0, 1.0, role="ours"), measured("peer", 2.0, 20.0, 2.0)
    figures = row(peer, ours)
    assert figures["times_ours"] == {"median": 2.0, "q1": 2.0, "q3": 2.0, "all": [2.0, 2.0, 2.0]}
    assert (figures["seconds"]["median"], figures["seconds"]["q3"]) == (2.0, 11.0)


def test_parts_are_medians_and_can_stand_alone():
    ours = measured("ours", 1.0, 3.0, 2.0, role="ours", decode=0.25)
    assert row(ours, ours)["parts"] == {"decode": 0.5}
    assert [run.seconds for run in ours.part("decode").runs] == [0.25, 0.75, 0.5]


def test_who_did_not_run_has_no_figures():
    absent = Measured("peer", "peer", [], "not installed")
    rows = summarize([measured("ours", 1.0, role="ours"), absent])
    assert rows[1] == {
        "name": "peer", "role": "peer", "note": "not installed", "seconds": None, "times_ours": None, "parts": {},
    }  # fmt: skip
    assert fastest_peer(rows) is None


def test_sums_are_over_the_groups_that_a_contender_could_do():
    first = [measured("ours", 1.0, 2.0, role="ours", mel=0.5), measured("peer", 3.0, 3.0)]
    second = [measured("ours", 4.0, 4.0, role="ours", mel=0.25), Measured("peer", "peer", [], "cannot")]
    (own, same), (peer, ours_there) = add_up([first, second])
    assert own == same
    assert [run.seconds for run in own.runs] == [5.0, 6.0]
    assert own.runs[0].parts == {"mel": 1.5}
    assert peer.note == "1 of 2 groups"
    assert [run.seconds for run in ours_there.runs] == [1.0, 2.0]  # compared over what the peer did
    assert row(peer, ours_there)["times_ours"]["all"] == [3.0, 1.5]


@pytest.mark.slow
def test_contenders_take_turns_in_changing_order():
    order = []
    contenders = [
        Contender(name, lambda name=name: order.append(name), role="ours" if name == "a" else "peer") for name in "abc"
    ]
    result = measure(contenders, rounds=20)
    rounds = ["".join(order[start : start + 3]) for start in range(0, len(order), 3)]
    assert (len(rounds), rounds[0]) == (21, "abc")  # untimed first
    assert {"".join(sorted(names)) for names in rounds} == {"abc"}
    assert len(set(rounds)) == 6  # every order
    assert [len(m.runs) for m in result] == [20, 20, 20]
    order.clear()
    measure(contenders, rounds=1, warm=False)
    assert len(order) == 3


def test_a_peer_that_fails_is_noted_and_ours_is_raised():
    def fail():
        raise RuntimeError

    result = measure([Contender("ours", lambda: None, role="ours"), Contender("peer", fail)], rounds=2)
    assert find(result, "peer").note == "fails: RuntimeError"
    assert not find(result, "peer").runs
    with pytest.raises(RuntimeError):
        measure([Contender("ours", fail, role="ours")], rounds=2)


def test_a_total_takes_the_place_of_the_wall_time():
    (only,) = measure([Contender("ours", lambda: {"total": 42.0, "decode": 40.0}, role="ours")], rounds=1)
    assert only.runs == [Run(42.0, {"decode": 40.0})]


@pytest.mark.parametrize("roles", [["peer"], ["ours", "ours"], []])
def test_exactly_one_is_ours(roles):
    with pytest.raises(ValueError, match="exactly one"):
        measure([Contender(str(i), lambda: None, role=role) for i, role in enumerate(roles)], rounds=1)


@pytest.mark.parametrize(
    ("value", "bounds", "met"),
    [
        (2.0, {"at_least": 2.0}, True),
        (1.99, {"at_least": 2.0}, False),
        (1.5, {"at_most": 1.5}, True),
        (1.51, {"at_most": 1.5}, False),
        (None, {"at_most": 1.5}, None),
    ],
)
def test_goals(value, bounds, met):
    assert goal("x", value, **bounds)["met"] is met


@pytest.mark.parametrize("agrees", [True, False])
def test_the_result_is_json_and_tells_of_disagreement(tmp_path, capsys, agrees):
    rows = summarize([measured("ours", 1.0, 1.0, role="ours"), measured("peer", 3.0, 3.0)])
    outputs = [{"contender": "peer", "agrees": agrees}]
    finished = finish(
        "x",
        rounds=2,
        settings={"clips": 3},
        packages=["numpy", "no-such-package"],
        groups={"all": rows},
        outputs=outputs,
        goals=[goal("faster", fastest_peer(rows), at_least=2.0)],
        folder=tmp_path,
    )
    assert finished is agrees
    printed = capsys.readouterr().out
    assert ("OUTPUTS DIFFER" in printed) is not agrees
    assert "faster: 3.00, met" in printed
    assert "a trial" in printed
    written = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert socket.gethostname() not in written
    content = json.loads(written)
    assert content["versions"]["no-such-package"] == "not installed"
    assert content["goals"][0]["met"]
    assert content["groups"]["all"][1]["times_ours"]["median"] == 3.0
