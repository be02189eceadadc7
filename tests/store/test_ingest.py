"""ingest.json: what is written is what is read, and nothing else is taken for it."""

import json

import pytest

from erc_core.errors import ErcError
from erc_core.store.ingest import DataIssue, IngestRecord

RECORD = IngestRecord(
    ingest={"format": "table", "raw_dir": None, "dev_share": 0.1, "columns": {"text": "sentence"}},
    synthetic=True,
    clips="unpacked",
    facts={"rows": 3, "split": "as the table has it"},
    issues=[DataIssue("row_3", "empty_text", "row 3: “empty”", "audio only")],
)


def test_what_is_written_is_read(tmp_path):
    RECORD.write(tmp_path)
    assert IngestRecord.read(tmp_path) == RECORD
    content = json.loads((tmp_path / "ingest.json").read_text(encoding="utf-8"))
    assert list(content) == ["ingest", "synthetic", "clips", "facts", "issues", "checksum"]
    assert content["ingest"] == {
        "format": "table", "raw_dir": None, "dev_share": 0.1, "columns": {"text": "sentence"}
    }  # fmt: skip
    assert content["issues"] == [
        {"where": "row_3", "kind": "empty_text", "detail": "row 3: “empty”", "action": "audio only"}
    ]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"clips": "elsewhere"}, "clips"),
        ({"issues": [{"where": "a", "kind": "b", "detail": "c"}]}, "issues.0.action"),
        ({"issues": [{"where": "a", "kind": "b", "detail": "c", "action": "d", "row": 5}]}, "issues.0.row"),
        ({"issues": [{"where": "a", "kind": "b", "detail": 3, "action": "d"}]}, "issues.0.detail"),
        ({"more": 1}, "more"),
    ],
)
def test_anything_else_is_damage_with_its_place(tmp_path, change, place):
    path = tmp_path / "ingest.json"
    path.write_text(json.dumps(RECORD.model_dump(mode="json") | change), encoding="utf-8")
    with pytest.raises(
        ErcError,
        match=rf"ingest\.json: damaged \({place}.*the stage ingest makes it; run `python -m erc_core\.run\.mend ",
    ):
        IngestRecord.read(tmp_path)


def test_a_missing_record_names_its_stage(tmp_path):
    with pytest.raises(ErcError, match=r"ingest\.json: not found; the stage ingest makes it"):
        IngestRecord.read(tmp_path)
