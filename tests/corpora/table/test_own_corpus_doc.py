"""docs/own_corpus.md says what is so: its commands and its params block read the example as it promises."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from ruamel.yaml import YAML

from erc_core.corpora.table.rows import SPLIT_OF
from erc_core.errors import ErcError
from erc_core.params.data import TABLE_COLUMNS
from erc_core.params.load import load_params
from stages import ingest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/own_corpus.md").read_text(encoding="utf-8")


def blocks(language):
    return [
        text for kind, text in re.findall(r"^```(\w*)\n(.*?)^```", PAGE, flags=re.DOTALL | re.M) if kind == language
    ]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """What the page's commands need, with the page's params block in params.yaml."""
    shutil.copytree(ROOT / "docs/examples", tmp_path / "docs/examples")
    yaml = YAML()
    params = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    (block,) = blocks("yaml")
    params["ingest"].update(YAML(typ="safe").load(block)["ingest"])
    params["datasets"] = ["my_corpus"]
    with (tmp_path / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
    monkeypatch.chdir(tmp_path)
    for line in blocks("sh")[0].splitlines():
        for command in line.split("&&"):
            words = shlex.split(
                command.replace("python", sys.executable, 1) if command.startswith("python") else command
            )
            subprocess.run(words, cwd=tmp_path, check=True, timeout=60)
    return tmp_path


def ingested():
    ingest.main(load_params(), "my_corpus")
    return pl.read_parquet("data/my_corpus/utterances.parquet"), json.loads(
        Path("data/my_corpus/ingest.json").read_text(encoding="utf-8")
    )


def test_the_example_is_read_as_the_page_says(checkout):
    table, record = ingested()
    assert len(table) == 24
    assert record["issues"] == []
    assert set(table["status"]) == {"ok"}
    assert all((checkout / "data/raw/my_corpus" / path).is_file() for path in table["audio_path"])
    assert set(table["split"]) == {"train", "dev", "test"}
    assert table["utterance_id"][0] == "kitchen_1"
    assert set(table["emotion"]) == {"neutral", "joy", "anger"}


def test_the_example_needs_no_clips(checkout):
    shutil.rmtree(checkout / "data/raw/my_corpus/clips")
    table, record = ingested()
    assert len(table) == 24
    assert {issue["kind"] for issue in record["issues"]} == {"missing_clip"}


def test_the_messages_are_those_of_the_page(checkout):
    """The three mistakes that the page shows, made in the example."""
    path = checkout / "data/raw/my_corpus/utterances.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[3] = lines[3].replace(",3,", ",2b,")
    lines[16] = re.sub(",[a-z]+,clips/", ",,clips/", lines[16])
    path.write_text("\n".join(lines), encoding="utf-8")
    params = (checkout / "params.yaml").read_text(encoding="utf-8")
    (checkout / "params.yaml").write_text(params.replace("text: sentence", "text: sentense"), encoding="utf-8")
    with pytest.raises(ErcError) as caught:
        ingested()
    assert str(caught.value) in [block.strip() for block in blocks("")]


def test_the_page_names_every_column_split_and_recorded_kind():
    for column in TABLE_COLUMNS:
        assert f"| `{column}` |" in PAGE
    for word in SPLIT_OF.keys() - {"trn", "tst", "devel"}:
        assert re.search(rf"\b{word}\b", PAGE)
    folder = ROOT / "erc_core/corpora"
    paths = [*(folder / "table").glob("*.py"), folder / "text_repair.py"]
    sources = "".join(path.read_text(encoding="utf-8") for path in paths)
    # the kind stands behind the utterance and its column, behind the file's name, or first of a rule
    kinds = set(re.findall(r'_note\(\w+, "[a-z]+", "([a-z_]+)"', sources))
    kinds |= set(re.findall(r'(?:path\.name, |append\(\(|return \[\()"([a-z_]+)"', sources))
    kinds |= {f"alike_{name}s" for name in ("emotion", "speaker")}
    assert len(kinds) >= 12
    assert [kind for kind in kinds if f"`{kind}`" not in PAGE] == []
