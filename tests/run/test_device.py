import pytest
import torch

from erc_core.params.backbones import PretrainedTextEncoder
from erc_core.run.device import pick_device

PRETRAINED = PretrainedTextEncoder(source="pretrained", name="roberta-base", layer=12)


@pytest.fixture
def chosen(monkeypatch):
    threads = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    return threads


def test_one_thread_for_what_is_made_from_a_configuration_alone(make_params, chosen):
    backbone = make_params().selected_backbone
    pick_device(make_params(), (backbone.bert, backbone.vit))
    pick_device(make_params(), ())
    assert chosen == [1, 1]
    pick_device(make_params(), (backbone.bert, PRETRAINED))
    assert chosen == [1, 1]  # torch's own number


def test_a_number_counts_for_all(make_params, chosen):
    pick_device(make_params(parallel__threads=3), (PRETRAINED,))
    assert chosen == [3]
