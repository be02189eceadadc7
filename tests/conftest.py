"""What holds for every test: one thread for each process, as OpenMP threads spin while other processes hold the cores.

And what several folders use: a made-up corpus of features, and small parameters.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"  # no test may wait for a network

import pytest
from closure import ROOT
from made_up_features import N_MELS, write_features
from ruamel.yaml import YAML

from erc_core.params.load import check_params


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "data" / "made_up"
    write_features(folder, {"train": 61, "dev": 20, "test": 20})
    return folder


@pytest.fixture
def make_params():
    """Return a function from changes to checked parameters, small and quick unless changed."""

    def make(**changes):
        tree = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        small = {
            "mel__n_mels": N_MELS,
            "audio__max_seconds": 2.0,
            "jfm__n_blocks": 1,
            "train__epochs": 3,
            "train__batch_size": 8,
            **{f"backbones__tiny__{part}__width": 16 for part in ("bert", "vit", "extractor")},
        }
        for key, value in (small | changes).items():
            *sections, name = key.split("__")
            section = tree
            for part in sections:
                section = section[part]
            section[name] = value
        return check_params(tree)

    return make
