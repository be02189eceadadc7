"""The harness itself: stages that do wrong on purpose, each in another way, are told from one that does right."""

import random
import textwrap

import pytest

from benchmarks.faults import Done, row
from benchmarks.injection import corruption, interruptions
from benchmarks.injection.project import Project, StageRun
from benchmarks.injection.verdict import Case, harm, judge
from benchmarks.injection.zygote import Outcome

MAKER = """
    import os, sys, time
    from pathlib import Path
    from erc_core.errors import ErcError
    from erc_core.run.stage import run_stage

    def main(params):
        Path("data").mkdir(exist_ok=True)
        for name in ("numbers", "copy"):
            partial = Path("data", "." + name + ".partial")
            partial.write_text("1 2 3" + 1000 * " ")
            partial.replace(Path("data", name))

    if __name__ == "__main__":
        run_stage(main)
"""
# says so where the numbers are not as they were written
READER = """
    from pathlib import Path
    from erc_core.errors import ErcError
    from erc_core.run.stage import run_stage

    def main(params):
        read = Path("data/numbers")
        if not read.exists() or read.read_bytes() != Path("data/copy").read_bytes():
            raise ErcError("data/numbers: damaged; run `dvc repro`")
        Path("sum").write_text(str(len(read.read_text())))

    if __name__ == "__main__":
        run_stage(main)
"""
RUNS = [
    StageRun("maker", "maker", (), (), ("data/numbers", "data/copy"), ()),
    StageRun("reader", "reader", (), ("data/numbers",), ("sum",), ()),
]
ENDS = {
    "right": ("Path('sum').write_text('6')", ""),
    "message": ("raise ErcError('data/numbers: damaged')", ""),
    "traceback": ("raise RuntimeError('no')", "traceback"),
    "hangs": ("import time; time.sleep(60)", "time"),
    "crashes": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crash"),
    "says nothing": ("import sys; sys.exit(1)", "silent"),
    "says much": ("raise ErcError('\\n'.join(map(str, range(100))))", "long"),
    "writes outside": ("Path('../elsewhere').write_text('')", "outside"),
}


@pytest.fixture
def make(workshop, tmp_path):
    """Return a function from the code of two stages to a project that they built."""
    projects = []

    def made(maker=MAKER, reader=READER):
        project = Project(tmp_path / "box", workshop.zygote)
        project.runs = RUNS
        for name, code in (("maker", maker), ("reader", reader)):
            (project.folder / f"{name}.py").write_text(textwrap.dedent(code), encoding="utf-8")
        project.build()
        projects.append(project)
        return project

    yield made
    for project in projects:
        project.close()


def rewrite(project, name, before, after):
    for folder in (project.folder, project.built):
        path = folder / f"{name}.py"
        code = path.read_text(encoding="utf-8")
        assert before in code
        path.write_text(code.replace(before, after), encoding="utf-8")
    project.keep()


@pytest.mark.parametrize("kind", ENDS)
def test_how_a_stage_ends(make, kind):
    project = make()
    statement, word = ENDS[kind]
    rewrite(project, "reader", "read = Path", f"{statement}; read = Path")
    outcome = project.run(RUNS[1], limit=3.0)
    assert harm(outcome)[0] == word


def test_a_process_that_takes_all_memory_is_stopped(make, monkeypatch):
    monkeypatch.setattr("benchmarks.injection.zygote.LIMIT_BYTES", 800 * 2**20)
    project = make()
    rewrite(project, "reader", "read = Path", "held = bytearray(b'x') * 2**30; import time; time.sleep(5); read = Path")
    assert harm(project.run(RUNS[1]))[0] == "memory"


def test_stages_that_do_right_pass(make):
    project = make()
    for number in range(3):
        rng = random.Random(number)
        assert interruptions.kill(project, rng).passed
        assert all(case.passed for case in corruption.corrupt(project, rng, number))
    assert interruptions.run_twice(project, random.Random(0)).passed
    assert project.trespasses() == []


def test_a_damaged_file_that_goes_into_a_number_is_a_failure(make):
    project = make()
    rewrite(
        project, "reader", 'if not read.exists() or read.read_bytes() != Path("data/copy").read_bytes():', "if False:"
    )
    kinds = {corruption.plan(project)[n][1]: corruption.corrupt(project, random.Random(0), n)[0] for n in range(6)}
    assert kinds["truncate"].ending == "numbers"
    assert kinds["delete"].ending == "traceback"


def test_a_stage_that_takes_up_half_a_file_is_a_failure(make):
    project = make()
    rewrite(project, "maker", "partial.write_text", "Path('data', name).exists() or partial.write_text")
    rewrite(project, "maker", '"." + name + ".partial"', "name")
    rewrite(project, "maker", "partial.replace(Path", "time.sleep(0.1); (Path")
    rewrite(project, "maker", '"1 2 3" + 1000 * " ")', "'')\n        with partial.open('a') as file: file.write('1')")
    project.build()
    endings = {interruptions.kill(project, random.Random(number)).ending for number in range(8)}
    assert "numbers" in endings


def test_what_a_killed_stage_leaves_for_ever_is_a_failure(make):
    project = make()
    rewrite(project, "maker", 'Path("data", "." + name + ".partial")', 'Path("data", f".{name}.{os.getpid()}.partial")')
    endings = [interruptions.kill(project, random.Random(number)) for number in range(8)]
    assert any("left: data/." in case.wrong for case in endings)


def test_a_full_disk_that_is_met_with_a_traceback_is_a_failure(make):
    project = make()
    rewrite(project, "maker", '1000 * " "', '100_000 * " "')
    # the error is thrown away, and so run_stage cannot see what it was
    hidden = """try:
            partial.write_text("1 2 3" + 100_000 * " ")
        except OSError:
            pass
        assert partial.stat().st_size > 100_000"""
    rewrite(project, "maker", 'partial.write_text("1 2 3" + 100_000 * " ")', hidden)
    project.build()
    cases = [interruptions.fill_disk(project, random.Random(number)) for number in range(4)]
    if None in cases:
        pytest.skip("no file system can be mounted here")
    assert "traceback" in {case.ending for case in cases}


def test_figures_of_a_group_count_what_was_not_met():
    good, bad = Case("a", "message"), Case("b", "traceback", "5 lines")
    figures = row("kills", [Done("kills", 0, good), Done("kills", 1, bad)])
    assert (figures["cases"], figures["passed"], figures["endings"]) == (2, 1, "1 x message, 1 x traceback")
    assert [failure["number"] for failure in figures["failures"]] == [1]


def test_a_message_has_to_name_the_file():
    outcome = Outcome(1, "", "something is damaged", 0.1, 0)
    assert judge("x", outcome).passed
    assert judge("x", outcome, told=["mel.h5"]).ending == "unclear"
    assert judge("x", outcome, must_end_well=True).ending == "refused"
