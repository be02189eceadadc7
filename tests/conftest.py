"""What holds for every test: one thread for each process, as OpenMP threads spin while other processes hold the cores.

And what several folders use: a made-up corpus of features, and small parameters. At the end it is said which tests a selection
such as -m "not slow" left out.
"""

import os
from collections import Counter

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


LEFT_OUT: Counter[str] = Counter()  # tests that a selection left out, by their folder


def pytest_deselected(items):
    LEFT_OUT.update(item.nodeid.split("::")[0].rpartition("/")[0] for item in items)


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(LEFT_OUT)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    # with xdist every worker selects among all tests, so what one of them says holds for all
    LEFT_OUT.update({} if LEFT_OUT else getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(terminalreporter, config):
    if LEFT_OUT:
        options = (("-m", config.getoption("markexpr")), ("-k", config.getoption("keyword")))
        selections = " ".join(f'{option} "{value}"' for option, value in options if value)
        folders = ", ".join(f"{folder} {count}" for folder, count in sorted(LEFT_OUT.items()))
        terminalreporter.write_line(f"left out by {selections}: {LEFT_OUT.total()} tests ({folders})")
