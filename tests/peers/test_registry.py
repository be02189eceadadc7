from closure import ROOT

from erc_core.inference.dialogues import DialogueShapes
from erc_core.params.load import load_params
from erc_core.params.peers import PEERS
from erc_core.peers.registry import SYSTEMS, make_peer
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
