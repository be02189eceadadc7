import re

from closure import ROOT
from tools.dag import flowchart


def test_the_picture_in_the_readme_is_the_pipeline():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"```mermaid\n(.+?)\n```", readme, flags=re.DOTALL) == [flowchart()], (
        "make dag prints the new one"
    )
