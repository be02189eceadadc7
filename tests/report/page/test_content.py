import json
import re
import shutil

import pytest

from erc_core.errors import ErcError
from erc_core.evaluation.calibration import CalibrationReport
from erc_core.report.page.content import load_content

# Each with the stage that makes it
FILES = {
    "reports/demo/metrics.json": "evaluate",
    "reports/demo/per_class.csv": "evaluate",
    "reports/demo/predictions.csv": "evaluate",
    "reports/demo/calibration.json": "evaluate",
    "reports/demo/history.csv": "train",
    "reports/demo/training.json": "train",
    "data/results/demo.json": "evaluate",
    "data/cards/demo.json": "card",
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, write_inputs):
    root = tmp_path_factory.mktemp("inputs")
    write_inputs(root)
    return root


@pytest.fixture
def project(tmp_path, inputs):
    shutil.copytree(inputs, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_whole_inputs_load(inputs):
    content = load_content("demo", inputs)
    assert content.labels == ["neutral", "joy", "anger", "fear"]
    assert content.n_dialogues == 8
    assert content.metrics.n == content.predictions.height == 48


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named_with_the_stage_that_makes_it(project, name):
    (project / name).unlink()
    with pytest.raises(ErcError) as raised:
        load_content("demo", project)
    message = str(raised.value)
    assert message == f"{project / name}: not found; the stage {FILES[name]} makes it: run `dvc repro`"


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe\x00", b"[1,", b"a\n1\n", b'{"n": 1}'])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_in_one_line(project, name, damage):
    (project / name).write_bytes(damage)
    with pytest.raises(ErcError) as raised:
        load_content("demo", project)
    message = str(raised.value)
    assert message.startswith(f"{project / name}: ")
    remedy = f"run `python -m erc_core.run.mend {project / name}`, then `dvc repro`"
    assert message.endswith(f"; the stage {FILES[name]} makes it; {remedy}")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("reports/demo/metrics.json", '"n": 48', '"n": 47', "has 48 rows, metrics.json counts 47"),
        ("reports/demo/metrics.json", '"n": 48', '"n": "many"', "n: "),
        ("reports/demo/metrics.json", '"n": 48', '"wf1": NaN, "n": 48', "wf1: "),
        ("reports/demo/per_class.csv", "\njoy", "\nbliss", "has not the labels"),
        ("reports/demo/predictions.csv", ",fear,", ",dread,", "has labels ['dread']"),
        ("reports/demo/predictions.csv", "p_fear", "p_dread", "has no column 'p_fear'"),
        ("reports/demo/history.csv", "\n2,", "\n9,", "lacks epoch 2"),
        ("reports/demo/history.csv", "\n2,", "\n,", "empty cell in column 'epoch'"),
        ("data/results/demo.json", '"dev"', '"valid"', "has no split 'dev'"),
        ("data/results/demo.json", '"joy",\n', '"joy", "joy",\n', "names a label twice"),
        ("data/results/demo.json", '"hours"', '"days"', "splits.train.hours: "),
        ("reports/demo/per_class.csv", "\nanger", "1\nanger", "has not the supports"),
        ("reports/demo/calibration.json", '"temperature": 1.5', '"temperature": -1.5', "fitted.temperature: "),
        ("reports/demo/calibration.json", '"n": 48', '"n": 47', "its checksum is not that of its content"),
        ("reports/demo/training.json", '"seed": 7', '"seed": null', "seed: "),
        ("data/cards/demo.json", '"block": "table"', '"block": "chair"', "sections.1.blocks.0.Table.block: "),
    ],
)
def test_files_that_do_not_fit_each_other_are_refused(project, name, old, new, message):
    path = project / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    changed = text.replace(old, new)
    if '"wf1": NaN' in new:
        changed = json.dumps(json.loads(text) | {"wf1": float("nan")})
    path.write_text(changed, encoding="utf-8")
    with pytest.raises(ErcError) as raised:
        load_content("demo", project)
    assert message in str(raised.value)


MADE_WITH = "is not the file that data/results/demo.json was made with"
OWN = "damaged (its checksum is not that of its content)"


@pytest.mark.parametrize(
    ("name", "number", "problem"),
    [
        ("metrics.json", r'(?<="wf1": 0\.)\d', MADE_WITH),
        ("per_class.csv", r"(?<=\njoy,0\.)\d", MADE_WITH),
        ("predictions.csv", r"\d(?=\n$)", MADE_WITH),
        ("history.csv", r"\d(?=\n$)", OWN),
        ("training.json", r'(?<="val_wf1": 0\.)\d', OWN),
    ],
)
def test_a_digit_that_was_changed_is_told_by_a_checksum(project, name, number, problem):
    path = project / "reports/demo" / name
    changed, n = re.subn(number, lambda digit: str((int(digit[0]) + 1) % 10), path.read_text(encoding="utf-8"))
    assert n == 1
    path.write_text(changed, encoding="utf-8")
    with pytest.raises(ErcError) as raised:
        load_content("demo", project)
    assert str(raised.value).startswith(f"{path}: {problem.format(root=project)}; the stage ")


def test_a_diverged_history_still_loads(tmp_path, write_inputs):
    write_inputs(tmp_path, history={"val_loss": [None, float("nan"), 1.0]})
    assert load_content("demo", tmp_path).history["val_loss"].null_count() == 1


def test_a_calibration_of_another_split_is_refused(project):
    folder = project / "reports/demo"
    CalibrationReport.read(folder).model_copy(update={"n": 47}).write(folder)
    with pytest.raises(ErcError, match=r"calibration\.json: is of 47 utterances, metrics\.json counts 48"):
        load_content("demo", project)
