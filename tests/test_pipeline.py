"""The whole pipeline, small, in a clone of its own: every artefact is there, and a second run does nothing."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import networkx as nx
import polars as pl
import pytest
from closure import ROOT
from dvc.repo import Repo
from params_file import change
from ruamel.yaml import YAML
from safetensors import safe_open

from erc_core import Predictor

pytest.importorskip("espeakng_loader")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]  # one process, as all share the clone

SMALL = {
    "demo.dialogues": {"train": 12, "dev": 4, "test": 5},
    "demo.max_turns": 6,
    "train.epochs": 2,
    "evaluate.bootstrap_samples": 200,
    "study.seeds": 2,
    "study.run": ["full", "n_blocks"],
    "study.variants.readings.points": {"raw": {"icl.normalize": False}, "untied": {"jfm.tied": False}},
    "study.variants.n_blocks.points": {1: {"jfm.n_blocks": 1}, 2: {"jfm.n_blocks": 2}},
}

ARTEFACTS = [
    "data/raw/demo/train_sent_emo.csv",
    "data/demo/utterances.parquet",
    "data/demo/clips.parquet",
    "data/demo/audio.h5",
    "data/demo/mel.h5",
    "data/demo/tokens.h5",
    "data/demo/tokenizer/tokenizer.json",
    "data/demo/text.h5",
    "data/demo/text_encoder/model.safetensors",
    "data/demo/trained/model.safetensors",
    "data/demo/model/README.md",
    "data/demo/model/checksums.json",
    "data/demo/model/model.safetensors",
    "data/demo/model/config.json",
    "data/demo/model/tokenizer/tokenizer.json",
    "data/demo/model/text_encoder/model.safetensors",
    "data/cards/demo.json",
    "data/results/demo.json",
    "data/study/demo/full/results.json",
    "data/study/demo/full/predictions.parquet",
    "data/study/demo/n_blocks/results.json",
    "reports/demo/metrics.json",
    "reports/demo/per_class.csv",
    "reports/demo/predictions.csv",
    "reports/demo/calibration.json",
    "reports/demo/history.csv",
    "reports/demo/training.json",
    "reports/index.html",
    "reports/index.md",
    "reports/tables/demo_calibration.csv",
    "reports/tables/demo_calibration.tex",
    "reports/tables/demo_n_blocks.csv",
    "reports/tables/demo_n_blocks.tex",
    "reports/figures/demo/confusion.png",
    "reports/figures/demo/confusion.svg",
    "reports/figures/demo/learning.png",
    "reports/figures/demo/classes.png",
    "reports/figures/demo/per_class.png",
    "reports/figures/demo/calibration.reliability.png",
    "reports/figures/demo/calibration.coverage.png",
]


def dvc(clone: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(clone)}
    ran = subprocess.run(
        ["dvc", *arguments], cwd=clone, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert not check or ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return ran


def copy_project(target: Path) -> None:
    """Copy what Git would give a stranger, without its history; in a copy that has no .git, what is not made by tools."""
    if not (ROOT / ".git").exists():
        made = shutil.ignore_patterns(
            ".venv", ".scratch", "__pycache__", "*.egg-info", "cache", "tmp", "config.local", "data", "reports"
        )
        shutil.copytree(ROOT, target, ignore=made, dirs_exist_ok=True)
        return
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        source = ROOT / name
        if name and source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / name)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clone")
    copy_project(folder)
    change(folder, SMALL)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "small"]):
        subprocess.run([*git, *command], cwd=folder, check=True)
    dvc(folder, "repro")
    return folder


def stages_run(output: str) -> list[str]:
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


def test_every_artefact_is_there(clone):
    assert [path for path in ARTEFACTS if not (clone / path).is_file()] == []


def test_nothing_of_it_is_for_git(clone):
    status = subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True)
    assert {line[3:] for line in status.stdout.splitlines()} <= {"dvc.lock"}


def test_the_tables_agree(clone):
    utterances = pl.read_parquet(clone / "data/demo/utterances.parquet")
    predictions = pl.read_csv(clone / "reports/demo/predictions.csv")
    metrics = json.loads((clone / "reports/demo/metrics.json").read_text(encoding="utf-8"))
    test = utterances.filter(pl.col("split") == "test")
    assert predictions["utterance_id"].to_list() == test["utterance_id"].to_list()
    assert predictions["emotion"].to_list() == test["emotion"].to_list()
    assert metrics["n"] == len(test)
    assert metrics["acc"] == pytest.approx((predictions["emotion"] == predictions["predicted"]).mean(), abs=1e-6)


def test_the_model_holds_labels_and_statistics(clone):
    config = json.loads((clone / "data/demo/model/config.json").read_text(encoding="utf-8"))
    assert set(config["model"]["labels"]) == {"neutral", "joy", "surprise", "anger", "sadness", "disgust", "fear"}
    with safe_open(clone / "data/demo/model/model.safetensors", framework="pt") as weights:
        assert weights.get_tensor("speech.patches.mean").abs().sum() > 0


def test_every_training_has_a_temperature_and_the_predictions_are_with_it(clone):
    fitted = json.loads((clone / "data/demo/model/config.json").read_text(encoding="utf-8"))["calibration"]
    report = json.loads((clone / "reports/demo/calibration.json").read_text(encoding="utf-8"))
    predictions = pl.read_csv(clone / "reports/demo/predictions.csv")
    assert report["fitted"] == fitted
    assert fitted["nll_after"] <= fitted["nll_before"]
    assert report["after"]["confidence"] == pytest.approx(predictions["confidence"].mean(), abs=2e-6)
    gold = [row[f"p_{row['emotion']}"] for row in predictions.iter_rows(named=True)]
    assert report["after"]["measures"]["nll"]["value"] == pytest.approx(-sum(map(math.log, gold)) / len(gold), abs=1e-4)
    for variant in ("full", "n_blocks"):
        results = json.loads((clone / f"data/study/demo/{variant}/results.json").read_text(encoding="utf-8"))
        assert all(run["temperature"] > 0 for point in results["points"] for run in point["runs"])


def test_the_report_says_that_the_corpus_is_synthetic(clone):
    for page in ("index.html", "index.md"):
        assert "synthetic" in (clone / "reports" / page).read_text(encoding="utf-8")


def test_a_second_run_does_nothing(clone):
    assert stages_run(dvc(clone, "repro").stdout) == []


def test_a_conversation_gets_the_numbers_of_the_pipeline(clone):
    """Raw wavs and texts of the test split through the front door, against predictions.csv."""
    predictor = Predictor.from_pretrained(clone / "data/demo/model", device="cpu")
    utterances = pl.read_parquet(clone / "data/demo/utterances.parquet").filter(pl.col("split") == "test")
    raw = f"{clone / 'data/raw/demo'}/"
    table = utterances.select("utterance_id", "text", "speaker", "emotion", audio=raw + pl.col("audio_path"))
    answered = predictor(table)
    scored = pl.read_csv(clone / "reports/demo/predictions.csv")
    joined = answered.join(scored, on="utterance_id", suffix="_scored", maintain_order="left", validate="1:1")
    assert len(joined) == len(table)
    assert joined["emotion"].to_list() == joined["predicted"].to_list()
    for label in predictor.labels:
        assert joined[f"p_{label}"].to_numpy() == pytest.approx(joined[f"p_{label}_scored"].to_numpy(), abs=1e-5)


def test_the_command_makes_a_page_of_the_example(clone, tmp_path):
    example = ROOT / "docs/examples/conversation"
    words = [
        "predict",
        clone / "data/demo/model",
        example / "conversation.flac",
        "--transcript",
        example / "conversation.vtt",
    ]
    ran = subprocess.run(
        [sys.executable, "-m", "erc_core", *words, "--out", tmp_path / "out"],
        cwd=clone, env=os.environ | {"PYTHONPATH": str(clone)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "predict conversation: 20 utterances, 2 speakers" in ran.stdout
    assert (tmp_path / "out/conversation.html").stat().st_size > 10_000


def test_the_same_features_are_made_byte_for_byte(clone):
    """After removing every feature file, DVC finds that the new ones are the old ones: training is not run again."""
    for name in ("audio.h5", "mel.h5", "tokens.h5", "text.h5", "clips.parquet"):
        (clone / "data/demo" / name).unlink()
    run = dvc(clone, "repro", "--force", "mel@demo", "embed@demo").stdout
    assert "mel@demo" in stages_run(run)
    assert stages_run(dvc(clone, "repro").stdout) == []


DOCUMENT = ROOT / "docs/parameter_analysis.md"
ROW = re.compile(
    r"^\| (?:`-S (?P<key>[\w.]+)=(?P<value>[^`]+)`|an edit of `(?P<edit>[^`]+)`|a new file in `(?P<new>[^`]+)`) \| ?(?P<runs>[^|]*)\| ?(?P<then>[^|]*)\|$",
    re.MULTILINE,
)
QUESTIONS = [match.groupdict() for match in ROW.finditer(DOCUMENT.read_text(encoding="utf-8"))]


def names(stages: Iterable[str]) -> set[str]:
    return {stage.split(":")[-1].split("@")[0] for stage in stages}


def asked(clone: Path) -> tuple[set[str], set[str]]:
    """Return the stages that DVC would start, and those after them, without the entries of their matrix."""
    with Repo(str(clone)) as repo:
        changed = set(repo.status())
        graph = repo.index.graph.reverse()
        after = {
            reader.addressing
            for stage in graph
            if stage.addressing in changed
            for reader in nx.descendants(graph, stage)
        }
    return names(changed), names(after) - names(changed)


@pytest.fixture(scope="module")
def current(clone):
    """Return the clone, brought up to date whatever another test left there."""
    dvc(clone, "repro")
    return clone


def test_the_document_has_questions():
    assert len(QUESTIONS) > 25


@pytest.mark.parametrize("row", QUESTIONS, ids=lambda row: str(row["key"] or row["edit"] or row["new"]))
def test_the_documented_stages_run_and_no_other(current, row):
    kept = (current / "params.yaml").read_bytes()
    if row["key"]:
        change(current, {row["key"]: YAML(typ="safe").load(row["value"])})
        path, content = current / "params.yaml", kept
    elif row["edit"]:
        path = current / row["edit"]
        content = path.read_bytes()
        path.write_bytes(content + b"\n# edited\n")
    else:
        path, content = current / row["new"] / "of_your_own.py", None
        path.write_text('"""Something of your own."""\n', encoding="utf-8")
    try:
        direct, after = asked(current)
    finally:
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    assert direct == set(row["runs"].replace(",", " ").split())
    assert after == set(row["then"].replace(",", " ").split())


def test_a_question_about_the_model_runs_no_feature_stage(clone):
    run = dvc(clone, "exp", "run", "-S", "jfm.n_blocks=1").stdout
    assert stages_run(run) == ["train@demo", "evaluate@demo", "pack@demo", "report"]


def test_the_documented_table_of_experiments_fits_a_terminal(clone):
    documented = re.search(
        r"^dvc (exp show --only-changed --drop '(.*)')  +#", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    kept = (clone / "params.yaml").read_bytes()
    dvc(clone, "exp", "run", "-S", "study.run=[]")
    (clone / "params.yaml").write_bytes(kept)
    shown = dvc(clone, "exp", "show", "--only-changed", "--drop", documented[2]).stdout
    assert "val_wf1" in shown
    assert "study.run" not in shown  # the list of all variants is 90 characters
    assert max(map(len, shown.splitlines())) <= 160


def test_a_new_variant_is_trained_alone(clone):
    dvc(clone, "repro")  # whatever a question left
    change(clone, {"study.run": ["full", "n_blocks", "readings"]})
    assert stages_run(dvc(clone, "repro").stdout) == ["study@demo-readings", "report"]
    table = pl.read_csv(clone / "reports/tables/demo_readings.csv")
    assert table["row"].to_list() == ["Full model", "raw", "untied"]


def test_a_mistake_is_told_in_one_line(clone):
    change(clone, {"jfm.n_blocks": 0})
    ran = dvc(clone, "repro", check=False)
    change(clone, {"jfm.n_blocks": 2})
    assert ran.returncode != 0
    assert "params.yaml: jfm.n_blocks = 0: allowed is 1 or more" in ran.stdout + ran.stderr


def test_a_backbone_that_is_none_is_told_before_others_lose_an_output(clone):
    dvc(clone, "repro")
    change(clone, {"backbone": "nope"})
    ran = dvc(clone, "repro", check=False)
    change(clone, {"backbone": "tiny"})
    assert ran.returncode != 0
    assert stages_run(ran.stdout) == ["weights"]
    assert "params.yaml: backbone" in ran.stdout + ran.stderr
    assert (clone / "data/demo/tokens.h5").is_file()
    assert stages_run(dvc(clone, "repro").stdout) == []  # weights.json comes from the cache


def damage(path: Path) -> None:
    """Flip one bit of a file that DVC holds read-only, with its cache behind the link, and leave its time as it was."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(content)
    path.chmod(0o444)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize(
    ("name", "reader", "maker"),
    [
        ("clips.parquet", "card@demo", "resample@demo"),
        ("text.h5", "train@demo", "embed@demo"),
        ("text_encoder/model.safetensors", "train@demo", "embed@demo"),
    ],
)
def test_the_told_remedy_mends_what_dvc_takes_for_whole(clone, name, reader, maker):
    dvc(clone, "repro")
    # a stage that made the same bytes again left a copy beside the object; the damage has to reach the cache as well
    dvc(clone, "checkout", "--relink")
    path = clone / "data/demo" / name
    assert path.stat().st_nlink > 1
    whole = path.read_bytes()
    damage(path)
    assert stages_run(dvc(clone, "repro").stdout) == []  # DVC does not see it
    ran = dvc(clone, "repro", "--force", "--single-item", reader, check=False)
    assert ran.returncode != 0
    assert "Traceback" not in ran.stderr
    told = re.search(
        r"run `python -m (erc_core\.run\.mend) (\S+)`, then `dvc repro`$", ran.stdout + ran.stderr, re.MULTILINE
    )
    assert told, ran.stderr
    subprocess.run([sys.executable, "-m", *told.groups()], cwd=clone, check=True)
    assert stages_run(dvc(clone, "repro").stdout) == [maker]
    assert path.read_bytes() == whole


def test_without_git(tmp_path):
    """A copy of the tree without .git reproduces too, with core.no_scm set locally."""
    copy_project(tmp_path)
    change(tmp_path, SMALL | {"demo.dialogues": {"train": 5, "dev": 2, "test": 2}, "train.epochs": 1, "study.run": []})
    dvc(tmp_path, "config", "--local", "core.no_scm", "true")
    dvc(tmp_path, "repro")
    assert (tmp_path / "reports/index.html").is_file()
