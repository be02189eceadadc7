from closure import ROOT

from erc_core.inference.dialogues import DialogueShapes
from erc_core.params.load import load_params
from erc_core.params.peers import PEERS
from erc_core.peers.registry import COMMON_DIFFERENCES, DIFFERENCES, SYSTEMS, differences_of, make_peer
from erc_core.study.points import settings_of


def test_every_peer_has_a_section_and_a_factory_under_one_name():
    assert list(PEERS) == list(SYSTEMS)


def test_settings_make_their_own_system():
    params = load_params(ROOT / "params.yaml")
    for name in PEERS:
        settings = settings_of(params, name, "demo")
        assert type(settings) is PEERS[name]
        system = make_peer(settings, DialogueShapes("T+A", 5, 7, [3, 2]))
        assert type(system) is SYSTEMS[name]


def test_every_peer_says_how_it_differs_from_its_authors_system():
    assert DIFFERENCES.keys() == SYSTEMS.keys()
    for name in SYSTEMS:
        assert differences_of(name) == COMMON_DIFFERENCES + DIFFERENCES[name]
    assert differences_of("one of a user's") == COMMON_DIFFERENCES
