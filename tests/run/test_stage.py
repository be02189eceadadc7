import os
import shutil
import subprocess
import sys

import polars as pl
import pytest
from closure import ROOT

from erc_core.errors import ErcError, ParamsError
from erc_core.run.stage import run_dataset_stage, run_stage

HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
CSV = f"{HEADER}\n1,Hi.,Joey,joy,positive,0,0,1,1,0:00:01,0:00:02\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return an empty project folder, the current one, with the repository's params.yaml."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, module: str = "stages.ingest") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def command_line(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["stage", *arguments])


# ---- as a process ---------------------------------------------------------------------------------------------------


def test_a_stage_that_works_ends_with_0_and_says_what_it_did(project):
    raw = project / "data" / "raw" / "demo"
    raw.mkdir(parents=True)
    for split in ("train", "dev", "test"):
        (raw / f"{split}_sent_emo.csv").write_text(CSV)
    ran = run("demo")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("ingest demo: 3 utterances (train 1, dev 1, test 1), 3 dialogues, 1 emotions, ")
    assert len(pl.read_parquet(project / "data" / "demo" / "utterances.parquet")) == 3


def test_missing_data_ends_with_1_and_one_line(project):
    ran = run("demo")
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert "data/raw/demo" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (project / "data" / "demo" / "utterances.parquet").exists()


def test_wrong_parameters_end_with_2_and_a_line_for_each_before_any_work(project):
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(
        text.replace("\n  n_blocks: ", "\n  n_block: ", 1).replace("\n  tied: ", "\n  tide: ", 1)
    )
    ran = run("demo")
    assert ran.returncode == 2
    assert sorted(line.split(": ")[1] for line in ran.stderr.splitlines()) == [
        "jfm.n_block",
        "jfm.n_blocks",
        "jfm.tide",
        "jfm.tied",
    ]
    assert not (project / "data").exists()


def test_help_tells_what_is_read_and_written(project):
    ran = run("--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("usage: python -m stages.ingest [-h] dataset\n")
    for part in ("Reads ", "Writes ", "Params ", "data/<dataset>/utterances.parquet", "a name from `datasets`"):
        assert part in ran.stdout


# ---- in this process ------------------------------------------------------------------------------------------------


def exit_code_of(run_it, work) -> int:
    with pytest.raises(SystemExit) as caught:
        run_it(work)
    return caught.value.code


def test_the_work_gets_parameters_and_dataset(project, monkeypatch):
    command_line(monkeypatch, "meld")
    calls = []
    run_dataset_stage(lambda params, dataset: calls.append((params.ingest[dataset].format, dataset)))
    command_line(monkeypatch)
    run_stage(lambda params: calls.append(params.audio.sample_rate))
    assert calls == [("meld", "meld"), 16000]


def test_an_unknown_dataset_is_told(project, monkeypatch, capsys):
    command_line(monkeypatch, "own")
    assert exit_code_of(run_dataset_stage, lambda *_: pytest.fail("work was started")) == 2
    assert capsys.readouterr().err.startswith(
        "dataset 'own' has no section under `ingest`: allowed are ['demo', 'meld'"
    )


@pytest.mark.parametrize("arguments", [[], ["demo", "meld"], ["--dataset", "demo"]])
def test_a_wrong_command_line_is_told(project, monkeypatch, capsys, arguments):
    command_line(monkeypatch, *arguments)
    assert exit_code_of(run_dataset_stage, lambda *_: pytest.fail("work was started")) == 2
    assert "usage: python -m " in capsys.readouterr().err


def test_outside_a_project_the_folder_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command_line(monkeypatch)
    assert exit_code_of(run_stage, lambda _: pytest.fail("work was started")) == 2
    assert capsys.readouterr().err == "params.yaml: not found; run from the project's folder, the one with dvc.yaml\n"


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ErcError("data/x.h5: damaged; run `dvc repro`"), 1, "data/x.h5: damaged; run `dvc repro`\n"),
        (ParamsError("a: wrong\nb: wrong"), 2, "a: wrong\nb: wrong\n"),
        (KeyboardInterrupt(), 130, "interrupted: nothing unfinished was kept under a final name; run the same command"),
    ],
)
def test_what_a_user_can_mend_is_told_without_a_traceback(project, monkeypatch, capsys, error, code, told):
    def work(_):
        raise error

    command_line(monkeypatch)
    assert exit_code_of(run_stage, work) == code
    captured = capsys.readouterr()
    assert captured.err.startswith(told)
    assert captured.out == ""


def test_a_mistake_in_the_code_keeps_its_traceback(project, monkeypatch):
    def work(_):
        raise ZeroDivisionError

    command_line(monkeypatch)
    with pytest.raises(ZeroDivisionError):
        run_stage(work)


def test_a_stage_that_is_not_for_several_processes_refuses_them(project, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    ran = []
    command_line(monkeypatch, "demo")
    with pytest.raises(SystemExit) as ended:
        run_dataset_stage(lambda params, dataset: ran.append(dataset))
    assert (ended.value.code, ran) == (1, [])
    assert "one of 2 processes" in capsys.readouterr().err
    run_dataset_stage(lambda params, dataset: ran.append(dataset), distributed=True)
    assert ran == ["demo"]
