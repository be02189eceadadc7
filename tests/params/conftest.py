from typing import Any

import pytest
from closure import ROOT
from ruamel.yaml import YAML

SIZES = {"source": "config", "width": 64, "depth": 6, "heads": 4}
FIXED = {
    "demo": {"min_turns": 4, "max_turns": 12},
    "audio": {"sample_rate": 16000, "min_seconds": 0.1, "max_seconds": 20.0},
    "mel": {"n_mels": 80, "n_fft": 512, "window_ms": 25.0, "hop_ms": 10.0, "f_min": 20.0, "f_max": 8000.0},
    "jfm": {"n_blocks": 2},
    "icl": {"weight": 0.1},
    "train": {"batch_size": 32, "lr": "auto", "epochs": "auto", "schedule": "auto", "warmup": "auto"},
    "backbones.tiny": {"patch": 16},
    "backbones.tiny.text_encoder": {"source": "config", "width": 64, "depth": 1, "heads": 4, "layer": 1},
    "backbones.tiny.extractor": {"width": 64, "heads": 4},
    "backbones.tiny.bert": SIZES,
    "backbones.tiny.vit": SIZES,
}


@pytest.fixture
def tree() -> dict[str, Any]:
    """Return the repository's params.yaml as plain values, to be changed by the test.

    The values that messages quote are fixed here, so that better defaults break no test.
    """
    found = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for key, values in FIXED.items():
        section = found
        for part in key.split("."):
            section = section[part]
        section |= values
    return found | {"datasets": ["demo"], "backbone": "tiny"}
