"""docs/extending.md: every example is added to a copy of the project as it stands there, and its stages run, small."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from closure import ROOT
from made_up_features import write_features
from params_file import change
from tokenizers import Tokenizer
from transformers import RobertaConfig, RobertaModel

from erc_core.text.tokens import learn_tokenizer

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
# a file's name, then its blocks: the whole of a new file, or changes of one that is there
BLOCK = re.compile(
    r"^(?:`(?P<file>[\w./-]+)`\n\n)?```(?P<kind>python|diff)\n(?P<text>.*?)```$", re.MULTILINE | re.DOTALL
)
SMALL = {
    "datasets": ["made_up"],
    "mel.n_mels": 32,
    "audio.max_seconds": 2.0,
    "train.epochs": 1,
    "study.seeds": 1,
    "study.run": ["full", "fusion"],
    "parallel.workers": 1,
    "ingest.made_up": {"format": "meld"},
}


def changed(content: str, diff: str) -> str:
    """Return a file's content after a change: its lines with - and those around them become those with + and around them."""
    lines = diff.splitlines()
    before = "\n".join(line[1:] for line in lines if not line.startswith("+"))
    after = "\n".join(line[1:] for line in lines if not line.startswith("-"))
    assert content.count(f"{before}\n") == 1, f"not found, or more than once:\n{before}"
    return content.replace(f"{before}\n", f"{after}\n")


def added(section: str, folder: Path) -> Path:
    """Copy the project, and add the example of a section of the page to it."""
    for name in ("erc_core", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "params.yaml", folder)
    text = PAGE[PAGE.index(f"\n## {section}\n") :]
    path = None
    blocks = list(BLOCK.finditer(text.split("\n## ")[1] if text.count("\n## ") > 1 else text))
    assert blocks
    for block in blocks:
        path = folder / block["file"] if block["file"] else path
        assert path is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        if block["kind"] == "python":
            assert not path.exists()
            path.write_text(block["text"], encoding="utf-8")
        else:
            path.write_text(changed(path.read_text(encoding="utf-8"), block["text"]), encoding="utf-8")
    return folder


def run(folder: Path, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    return ran.stdout


def test_a_fusion(tmp_path, make_params):
    folder = added("A fusion", tmp_path)
    write_features(folder / "data/made_up", {"train": 40, "dev": 12, "test": 12}, make_params())
    change(folder, SMALL | {"model.fusion": "gated"})
    run(folder, "stages.study", "made_up", "fusion")
    results = json.loads((folder / "data/study/made_up/fusion/results.json").read_text(encoding="utf-8"))
    assert [point["point"] for point in results["points"]] == ["CFA", "Concatenate", "Gated"]
    for name in ("tokenizer", "text_encoder"):
        (folder / "data/made_up" / name).mkdir()
    run(folder, "stages.train", "made_up")
    config = json.loads((folder / "data/made_up/trained/config.json").read_text(encoding="utf-8"))
    assert config["model"]["model"]["fusion"] == "gated"


def test_a_peer_system(tmp_path, make_params):
    folder = added("A peer system", tmp_path)
    write_features(folder / "data/made_up", {"train": 40, "dev": 12, "test": 12}, make_params())
    change(folder, SMALL | {"study.run": ["full", "gru"], "study.variants.gru.settings.tiny.epochs": 3})
    assert "test W-F1" in run(folder, "stages.study", "made_up", "gru")
    results = json.loads((folder / "data/study/made_up/gru/results.json").read_text(encoding="utf-8"))
    assert (results["system"], results["points"][0]["runs"][0]["epochs"]) == ("gru", 3)


def test_a_corpus(tmp_path):
    folder = added("A corpus", tmp_path)
    clips = folder / "data/raw/emodb/wav"
    clips.mkdir(parents=True)
    for speaker in ("03", "08", "09", "10", "11"):
        for emotion in "WFN":
            soundfile.write(clips / f"{speaker}a01{emotion}a.wav", 0.3 * np.sin(np.arange(8000) / 9), 16000)
    (clips / "README.wav").touch()
    change(folder, {"datasets": ["emodb"], "parallel.workers": 1})
    assert "15 utterances" in run(folder, "stages.ingest", "emodb")
    utterances = pl.read_parquet(folder / "data/emodb/utterances.parquet")
    assert set(utterances["emotion"]) == {"anger", "joy", "neutral"}
    assert utterances.group_by("speaker").agg(pl.col("split").n_unique())["split"].max() == 1
    record = json.loads((folder / "data/emodb/ingest.json").read_text(encoding="utf-8"))
    assert record["ingest"] == {"format": "emodb", "raw_dir": None, "seed": 0}
    assert [issue["kind"] for issue in record["issues"]] == ["unknown_name"]
    assert "no failures" in run(folder, "stages.resample", "emodb")


def test_a_pretrained_encoder(tmp_path):
    folder = added("A pretrained encoder", tmp_path)
    write_features(folder / "data/made_up", {"train": 12, "dev": 4, "test": 4})
    tokenizer: Tokenizer = learn_tokenizer([f"text {n}" for n in range(20)], 400)
    encoder = RobertaModel(
        RobertaConfig(vocab_size=400, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=16)
    )
    encoder.save_pretrained(folder / "models/my-encoder")
    tokenizer.save(str(folder / "models/my-encoder/tokenizer.json"))
    change(folder, SMALL | {"backbone": "mine", "study.run": []})
    run(folder, "stages.tokens", "made_up")
    assert "of width 16" in run(folder, "stages.embed", "made_up")


def test_every_section_has_a_test():
    sections = set(re.findall(r"^## (A .+)$", PAGE, re.MULTILINE))
    assert sections == {"A fusion", "A peer system", "A corpus", "A pretrained encoder"}
