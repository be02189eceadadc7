from pathlib import Path

import polars as pl
import pytest

from erc_core.errors import ErcError
from erc_core.store.tables import read_parquet, write_parquet

TABLE = pl.DataFrame({"id": ["a", "é", None], "turn": [1, 2, 3]})


def refusal(path: Path, schema: pl.Schema | None = None) -> str:
    with pytest.raises(ErcError) as caught:
        read_parquet(path, "ingest", schema)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_table_is_read_as_it_was_written_and_by_any_reader_of_parquet(tmp_path):
    for name in ("x.parquet", "y.parquet"):
        write_parquet(TABLE, tmp_path / name)
        assert read_parquet(tmp_path / name, "ingest", TABLE.schema).equals(TABLE)
        assert pl.read_parquet(tmp_path / name).equals(TABLE)
    assert (tmp_path / "x.parquet").read_bytes() == (tmp_path / "y.parquet").read_bytes()
    assert len(pl.read_parquet_metadata(tmp_path / "x.parquet")["checksum"]) == 32


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_every_flipped_byte_is_told(tmp_path, mask, capfd):
    path = tmp_path / "x.parquet"
    write_parquet(TABLE, path)
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :])
        assert refusal(path).endswith(
            f"the stage ingest makes it; run `python -m erc_core.run.mend {path}`, then `dvc repro`"
        )
    assert capfd.readouterr() == ("", "")


def test_every_cut_is_told(tmp_path, capfd):
    path = tmp_path / "x.parquet"
    write_parquet(TABLE, path)
    content = path.read_bytes()
    for end in range(len(content)):
        path.write_bytes(content[:end])
        assert "damaged" in refusal(path)
    assert capfd.readouterr() == ("", "")


def test_a_table_of_another_hand_is_told(tmp_path):
    TABLE.write_parquet(tmp_path / "x.parquet")
    assert "damaged (its checksum is not that of its content)" in refusal(tmp_path / "x.parquet")


def test_other_columns_are_told(tmp_path):
    path = tmp_path / "x.parquet"
    write_parquet(TABLE, path)
    schema = pl.Schema(TABLE.schema)
    assert "has not the columns expected (speaker)" in refusal(path, pl.Schema({**schema, "speaker": pl.String()}))
    assert "has not the columns expected (turn)" in refusal(path, pl.Schema({**schema, "turn": pl.Int32()}))
    assert "has not the columns expected (one too many)" in refusal(path, pl.Schema({"id": pl.String()}))
