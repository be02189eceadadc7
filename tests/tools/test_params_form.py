import difflib
import shutil

from dvc.utils.serialize import modify_yaml
from tools.params_form import PARAMS


def test_an_experiment_changes_the_line_of_its_value_alone(tmp_path):
    path = tmp_path / "params.yaml"
    shutil.copy(PARAMS, path)
    with modify_yaml(str(path)) as tree:
        tree["jfm"]["n_blocks"] = 3
    before, after = (file.read_text(encoding="utf-8").splitlines() for file in (PARAMS, path))
    changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert len(changed) == 2, "`python tests/tools/params_form.py` writes params.yaml as DVC does"
    assert all("n_blocks:" in line for line in changed)
