import signal
import subprocess
import time
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from ragged_files import ATTRIBUTES, frames_of, process, write, write_example

from erc_core.errors import ErcError
from erc_core.store import ragged, ragged_writer
from erc_core.store.ragged import RaggedReader
from erc_core.store.ragged_writer import RaggedWriter, merge_ragged

WIDTHS = [None, 1, 3, 80]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_corpus_larger_than_a_block_is_laid_out_whole(tmp_path, monkeypatch, width):
    expected = write(tmp_path / "one.h5", list("abc"), frames_of([50, 0, 31], width=width), width=width)
    monkeypatch.setattr(ragged, "BLOCK_BYTES", 64)
    assert write(tmp_path / "many.h5", list("abc"), frames_of([50, 0, 31], width=width), width=width) == expected


@pytest.mark.parametrize(("width", "shape"), [(3, (11, 3)), (None, (11,))])
def test_the_layout_is_the_documented_one(tmp_path, width, shape):
    write(tmp_path / "x.h5", ["a", "bé", "c"], frames_of([4, 0, 7], width=width), width=width)
    with h5py.File(tmp_path / "x.h5") as file:
        assert set(file) == {"frames", "offsets", "ids", "checksums"}
        assert (file["frames"].shape, file["frames"].dtype) == (shape, np.float16)
        assert (file["offsets"].shape, file["offsets"].dtype) == ((4,), np.int64)
        assert file["ids"].asstr()[:].tolist() == ["a", "bé", "c"]
        assert all(file[name].chunks is None and file[name].compression is None for name in file)
        assert set(file.attrs) == {"format", "format_version", "checksum", *ATTRIBUTES}
        assert (file.attrs["format"], file.attrs["format_version"]) == (b"erc-ragged", 2)


def test_attributes_can_be_added_until_the_file_is_closed(tmp_path):
    with RaggedWriter(tmp_path / "x.h5", dtype="int16", width=None, attributes={"a": 1}) as writer:
        writer.append("x", np.arange(3, dtype=np.int16))
        writer.attributes["truncated"] = 5
    with RaggedReader(tmp_path / "x.h5") as reader:
        assert (reader.attributes["a"], reader.attributes["truncated"]) == (1, 5)


def test_the_same_input_gives_the_same_bytes_at_another_time_and_place(tmp_path):
    written = write_example(tmp_path / "x.h5")
    (tmp_path / "elsewhere").mkdir()
    time.sleep(max(0, 1.1 - time.time() % 1))  # the stamps of HDF5, if there were any, count seconds
    other = process(
        "write_example(Path('another name.h5'))", cwd=tmp_path / "elsewhere", env={"PYTHONHASHSEED": "7", "TZ": "UTC+5"}
    )
    assert other.communicate(timeout=60)[1] == ""
    assert (tmp_path / "elsewhere" / "another name.h5").read_bytes() == written
    assert str(tmp_path).encode() not in written


def test_attributes_in_another_order_give_the_same_bytes(tmp_path):
    backwards = dict(reversed(ATTRIBUTES.items()))
    written = write(tmp_path / "x.h5", ["a"], frames_of([3]))
    assert write(tmp_path / "y.h5", ["a"], frames_of([3]), attributes=backwards) == written


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("existing", [True, False])
def test_an_error_in_the_middle_leaves_what_was_there(tmp_path, error, existing):
    path = tmp_path / "x.h5"
    before = write_example(path) if existing else None
    with pytest.raises(error), RaggedWriter(path, dtype="float16", width=3, attributes={}) as writer:  # noqa: PT012
        writer.append("a", frames_of([4])[0])
        raise error
    assert [p.name for p in tmp_path.iterdir()] == (["x.h5"] if existing else [])
    assert not existing or path.read_bytes() == before


def test_an_error_while_it_is_laid_out_leaves_what_was_there(tmp_path, monkeypatch):
    before = write_example(tmp_path / "x.h5")

    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(RaggedWriter, "_copy_spool", fail)
    with pytest.raises(OSError, match="no space"):
        write_example(tmp_path / "x.h5", (9, 9))
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]
    assert (tmp_path / "x.h5").read_bytes() == before


def test_what_does_not_read_back_is_not_given_the_name(tmp_path, monkeypatch):
    monkeypatch.setattr(RaggedReader, "frame_count", 0)
    with pytest.raises(OSError, match="does not read back"):
        write_example(tmp_path / "x.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_told_before_hdf5_meets_it(tmp_path, monkeypatch):
    monkeypatch.setattr(ragged_writer.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(ErcError, match=r"x\.h5: needs .* on a disk with .* free"):
        write_example(tmp_path / "x.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_leaves_nothing_behind(tmp_path):
    code = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    write_example(Path("x.h5"), (4000, 4000))
except OSError as error:
    print(error.errno, [p.name for p in Path().iterdir()])
"""
    before = write_example(tmp_path / "x.h5")
    out, err = process(code, cwd=tmp_path).communicate(timeout=60)
    assert out == "27 ['x.h5']\n", err
    assert (tmp_path / "x.h5").read_bytes() == before


def test_numbers_take_the_type_of_the_file_whatever_they_lie_in(tmp_path):
    exact = np.arange(24, dtype=np.float64).reshape(8, 3)
    for frames in (exact, exact.astype(np.float32), np.asfortranarray(exact), exact[::-1][::-1]):
        write(tmp_path / "x.h5", ["a", "b"], [frames, frames])
        with RaggedReader(tmp_path / "x.h5") as reader:
            assert reader[1].dtype == np.float16
            assert np.array_equal(reader[1], exact)


@pytest.mark.parametrize("frames", [np.zeros(4), np.zeros((4, 2)), np.zeros((4, 3, 1))])
def test_frames_of_another_shape_are_refused(tmp_path, frames):
    with pytest.raises(ValueError, match=r"dia0_utt0: frames of shape"):
        write(tmp_path / "x.h5", ["dia0_utt0"], [frames])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["append", "close"])
def test_a_killed_writer_leaves_the_old_file_and_the_next_run_cleans_up(tmp_path, where):
    path = tmp_path / "x.h5"
    before = write_example(path)
    code = """
import time
def wait(*_):
    print("ready", flush=True)
    time.sleep(60)
if sys.argv[1] == "close":
    RaggedWriter._copy_spool = wait
with RaggedWriter(Path("x.h5"), dtype="float16", width=3, attributes={}) as writer:
    writer.append("a", np.zeros((100_000, 3)))
    if sys.argv[1] == "append":
        wait()
"""
    with process(code, where, cwd=tmp_path) as writer:
        assert writer.stdout.readline() == "ready\n"
        writer.send_signal(signal.SIGKILL)
        writer.communicate(timeout=60)
    assert path.read_bytes() == before
    left = [p.name for p in tmp_path.iterdir() if p != path]
    assert left  # nothing can be cleaned up by a killed process
    after = write_example(path, (1, 2, 3))
    assert after != before
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    code = """
with RaggedWriter(Path("x.h5"), dtype="float16", width=3, attributes=ATTRIBUTES) as writer:
    for i, frames in enumerate(frames_of([4, 0, 7])):
        writer.append(f"dia0_utt{i}", frames)
    print("ready", flush=True)
    sys.stdin.readline()
"""
    with process(code, cwd=tmp_path, stdin=subprocess.PIPE) as other:
        assert other.stdout.readline() == "ready\n"
        mine = write_example(tmp_path / "x.h5", (1, 1))
        assert (tmp_path / "x.h5").read_bytes() == mine
        assert other.communicate("\n", timeout=60)[1] == ""
    theirs = (tmp_path / "x.h5").read_bytes()
    assert theirs != mine
    assert theirs == write_example(tmp_path / "y.h5")


# ---- parts that become one file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("cuts", [[], [0], [3], [1, 1, 4], [2, 6]])
@pytest.mark.parametrize("block", [32, 2**20])
def test_parts_become_the_file_that_is_written_in_one_go(tmp_path, monkeypatch, width, cuts, block):
    monkeypatch.setattr(ragged, "BLOCK_BYTES", block)
    ids, frames = list("abcdéf"), frames_of([3, 0, 4, 9, 0, 1], width=width)
    expected = write(tmp_path / "x.h5", ids, frames, width=width)
    parts = []
    for start, stop in zip([0, *cuts], [*cuts, 6], strict=True):
        parts.append(tmp_path / f"{len(parts)}.h5")
        write(parts[-1], ids[start:stop], frames[start:stop], width=width, attributes={"not": "taken"})
    merge_ragged(tmp_path / "y.h5", parts, dtype="float16", width=width, attributes=ATTRIBUTES)
    assert (tmp_path / "y.h5").read_bytes() == expected


def test_no_parts_become_an_empty_file(tmp_path):
    expected = write(tmp_path / "x.h5", [], [])
    merge_ragged(tmp_path / "y.h5", [], dtype="float16", width=3, attributes=ATTRIBUTES)
    assert (tmp_path / "y.h5").read_bytes() == expected


def test_parts_of_another_kind_or_missing_are_refused(tmp_path):
    write_example(tmp_path / "x.h5")
    for kind in ({"dtype": "int16", "width": 3}, {"dtype": "float16", "width": 4}, {"dtype": "float16", "width": None}):
        with pytest.raises(ValueError, match=r"x\.h5: frames of float16 \(3,\) among"):
            merge_ragged(tmp_path / "y.h5", [tmp_path / "x.h5"], **kind, attributes={})
    with pytest.raises(ErcError, match=r"z\.h5: not found"):
        merge_ragged(tmp_path / "y.h5", [tmp_path / "z.h5"], dtype="float16", width=3, attributes={})
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


def test_a_merge_on_a_disk_without_room_is_told_before_hdf5_meets_it(tmp_path, monkeypatch):
    write_example(tmp_path / "x.h5")
    monkeypatch.setattr(ragged_writer.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(ErcError, match=r"y\.h5: needs .* on a disk with .* free"):
        merge_ragged(tmp_path / "y.h5", [tmp_path / "x.h5"], dtype="float16", width=3, attributes={})
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


def test_a_damaged_part_does_not_become_a_file(tmp_path):
    data = bytearray(write_example(tmp_path / "x.h5"))
    with h5py.File(tmp_path / "x.h5") as file:
        data[file["frames"].id.get_offset()] ^= 1
    (tmp_path / "x.h5").write_bytes(data)
    with pytest.raises(ErcError, match=r"x\.h5: damaged"):
        merge_ragged(tmp_path / "y.h5", [tmp_path / "x.h5"], dtype="float16", width=3, attributes={})
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


def test_text_is_kept_out_of_the_heap_that_has_no_checksum(tmp_path):
    assert b"GCOL" not in write_example(tmp_path / "x.h5")
