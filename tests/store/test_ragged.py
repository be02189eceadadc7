import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from closure import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_core.errors import ErcError
from erc_core.store import ragged
from erc_core.store.ragged import RaggedReader, RaggedWriter, merge_ragged, params_attribute

DTYPES = ["int16", "int32", "float16", "float32"]
WIDTHS = [None, 1, 3, 80]
ATTRIBUTES = {"encoder": "röberta", "empty": "", "layer": 12, "floor": 1e-6, "mean": np.arange(3, dtype=np.float32)}
IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)


def frames_of(lengths, dtype="float16", width: int | None = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(len(lengths))
    shapes = [(length,) if width is None else (length, width) for length in lengths]
    return [rng.integers(-1000, 1000, shape).astype(dtype) for shape in shapes]


def write(path: Path, ids, frames, dtype="float16", width: int | None = 3, attributes=ATTRIBUTES) -> bytes:
    with RaggedWriter(path, dtype=dtype, width=width, attributes=attributes) as writer:
        for utterance_id, utterance in zip(ids, frames, strict=True):
            writer.append(utterance_id, utterance)
    return path.read_bytes()


def write_example(path: Path, lengths=(4, 0, 7)) -> bytes:
    return write(path, [f"dia0_utt{i}" for i in range(len(lengths))], frames_of(lengths))


def process(code: str, *arguments: object, **options) -> subprocess.Popen[str]:
    """Start Python on code that has the functions of this module."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    environment |= options.pop("env", {})
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom test_ragged import *\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@settings(deadline=None, max_examples=60)
@given(
    ids=st.lists(IDS, max_size=8, unique=True),
    data=st.data(),
    dtype=st.sampled_from(DTYPES),
    width=st.sampled_from(WIDTHS),
)
def test_what_was_written_is_read(tmp_path_factory, ids, data, dtype, width):
    lengths = data.draw(st.lists(st.integers(0, 9), min_size=len(ids), max_size=len(ids)))
    frames = frames_of(lengths, dtype, width)
    path = tmp_path_factory.getbasetemp() / "round_trip.h5"
    write(path, ids, frames, dtype, width)
    with RaggedReader(path) as reader:
        assert reader.ids == ids
        assert len(reader) == len(ids)
        assert reader.lengths.tolist() == lengths
        assert reader.offsets.tolist() == np.cumsum([0, *lengths]).tolist()
        assert reader.frame_count == sum(lengths)
        assert (reader.dtype, reader.width) == (np.dtype(dtype), width or 1)
        assert reader.nbytes == sum(lengths) * (width or 1) * np.dtype(dtype).itemsize
        each = [reader[i] for i in range(len(ids))]
        for written, read in zip(frames, each, strict=True):
            assert (read.dtype, read.shape) == (written.dtype, written.shape)
            assert np.array_equal(read, written)
        whole = np.concatenate([*frames, *frames_of([0], dtype, width)])
        filled = np.empty_like(whole)
        reader.read_into(filled)
        assert np.array_equal(filled, whole)
        for other in (np.empty((len(whole) + 1, *whole.shape[1:]), dtype), np.empty(whole.shape, np.complex64)):
            with pytest.raises(ValueError, match="frames of"):
                reader.read_into(other)
        start = data.draw(st.integers(0, len(ids)))
        stop = data.draw(st.integers(start, len(ids)))
        in_range = reader.read_range(start, stop)
        assert len(in_range) == stop - start
        assert all(map(np.array_equal, in_range, each[start:stop]))
        size = data.draw(st.integers(1, 9))
        shards = list(reader.shards(size))
        assert [i for shard in shards for i in range(*shard)] == list(range(len(ids)))
        assert all(0 < stop - start <= size for start, stop in shards)
        with pytest.raises(IndexError):
            reader[len(ids)]
        with pytest.raises(IndexError):
            reader[-1]


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


def test_attributes_come_back_as_they_were(tmp_path):
    write_example(tmp_path / "x.h5")
    with RaggedReader(tmp_path / "x.h5") as reader:
        read = reader.attributes
    assert (read["encoder"], read["empty"], read["layer"], read["floor"]) == ("röberta", "", 12, 1e-6)
    assert read["mean"].tolist() == [0, 1, 2]


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
    monkeypatch.setattr(ragged.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
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
    monkeypatch.setattr(ragged.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(ErcError, match=r"y\.h5: needs .* on a disk with .* free"):
        merge_ragged(tmp_path / "y.h5", [tmp_path / "x.h5"], dtype="float16", width=3, attributes={})
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


def refusal(path: Path) -> str:
    with pytest.raises(ErcError) as caught:
        RaggedReader(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "dvc repro" in message
    assert "\n" not in message
    return message


def test_a_missing_file_is_told(tmp_path):
    assert "not found" in refusal(tmp_path / "x.h5")


@pytest.mark.parametrize("content", [b"", b"not HDF5", b"\x89HDF\r\n\x1a\n", bytes(4096)])
def test_what_is_not_hdf5_is_told(tmp_path, content):
    (tmp_path / "x.h5").write_bytes(content)
    assert "damaged or not HDF5" in refusal(tmp_path / "x.h5")


def test_a_folder_is_told(tmp_path):
    refusal(tmp_path)


def test_a_truncated_file_is_told(tmp_path):
    path = tmp_path / "x.h5"
    data = write_example(path)
    for length in (*range(0, len(data), 37), len(data) - 1):
        path.write_bytes(data[:length])
        assert "damaged" in refusal(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda file: file.attrs.__delitem__("format"), "format None version 2"),
        (lambda file: file.attrs.__setitem__("format_version", 1), "version 1, expected erc-ragged version 2"),
        (lambda file: file.attrs.__setitem__("format", np.bytes_("other")), "format other"),
        (lambda file: file.__delitem__("frames"), "frames"),
        (lambda file: (file.__delitem__("ids"), file.create_group("ids")), "not a feature file"),
        (lambda file: file["offsets"].__setitem__(3, 12), "do not fit"),
        (lambda file: file["offsets"].__setitem__(0, 1), "do not fit"),
        (lambda file: file["offsets"].__setitem__(1, 12), "do not fit"),
        (lambda file: (file.__delitem__("offsets"), file.create_dataset("offsets", data=[0, 11])), "do not fit"),
        (lambda file: (file.__delitem__("offsets"), file.create_dataset("offsets", data=np.zeros(0, int))), "not fit"),
    ],
)
def test_a_file_of_another_kind_is_told(tmp_path, change, told):
    path = tmp_path / "x.h5"
    write_example(path)
    with h5py.File(path, "r+") as file:
        change(file)
    assert told in refusal(path)


def test_no_flipped_byte_reaches_a_number_or_hangs(tmp_path):
    code = """
data = write_example(Path("x.h5"))
def content(path):
    with RaggedReader(path) as reader:
        frames = np.empty((reader.frame_count, *reader.trailing), reader.dtype)
        reader.read_into(frames)
        rest = [reader.ids, reader.offsets.tolist(), [str(item) for item in sorted(reader.attributes.items())]]
        each = [frame.tobytes() for frame in reader.read_range(0, len(reader))]
        return rest, frames.tobytes(), each, [block.tobytes() for block in reader.blocks()], reader[0].tobytes()
whole = content(Path("x.h5"))
refused = 0
for position in range(len(data)):
    damaged = bytearray(data)
    damaged[position] ^= 0x81
    Path("y.h5").write_bytes(damaged)
    try:
        assert content(Path("y.h5")) == whole, position  # what no reader reads may change
    except ErcError as error:
        assert str(error).count("\\n") == 0
        refused += 1
assert refused > len(data) / 4, (refused, len(data))
"""
    out, err = process(code, cwd=tmp_path).communicate(timeout=120)
    assert (out, err) == ("", "")


@pytest.mark.parametrize(
    "read",
    [
        lambda reader: reader[2],
        lambda reader: reader.read_range(1, 3),
        lambda reader: list(reader.blocks()),
        lambda reader: reader.read_into(np.empty((11, 3), np.float16)),
    ],
)
def test_damaged_frames_are_told_by_whoever_reads_them(tmp_path, read):
    path = tmp_path / "x.h5"
    data = bytearray(write_example(path))
    with h5py.File(path) as file:
        place = file["frames"].id.get_offset() + 5 * 6
    data[place] ^= 1
    path.write_bytes(data)
    with RaggedReader(path) as reader:
        assert np.array_equal(reader[0], frames_of([4, 0, 7])[0])
        with pytest.raises(
            ErcError, match=r"x\.h5: damaged .*; run `python -m erc_core\.run\.mend .*x\.h5`, then `dvc repro`"
        ):
            read(reader)


def test_a_damaged_part_does_not_become_a_file(tmp_path):
    data = bytearray(write_example(tmp_path / "x.h5"))
    with h5py.File(tmp_path / "x.h5") as file:
        data[file["frames"].id.get_offset()] ^= 1
    (tmp_path / "x.h5").write_bytes(data)
    with pytest.raises(ErcError, match=r"x\.h5: damaged"):
        merge_ragged(tmp_path / "y.h5", [tmp_path / "x.h5"], dtype="float16", width=3, attributes={})
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


def external_storage(file):
    file.create_dataset("frames", (11, 3), "f2", external=[("secret", 0, 66)])


def virtual(file):
    layout = h5py.VirtualLayout((11, 3), "f2")
    layout[:] = h5py.VirtualSource("other.h5", "frames", (11, 3))
    file.create_virtual_dataset("frames", layout)


@pytest.mark.parametrize(
    "replace",
    [
        lambda file: file.__setitem__("frames", h5py.ExternalLink("other.h5", "/frames")),
        lambda file: file.__setitem__("frames", h5py.SoftLink("/ids")),
        external_storage,
        virtual,
        lambda file: file.create_dataset("frames", (11, 3), "f2", chunks=(11, 3), compression="gzip"),
        lambda file: file.create_dataset("frames", (10**12, 3), "f2"),
    ],
)
def test_frames_that_are_not_in_the_file_are_refused(tmp_path, monkeypatch, replace):
    monkeypatch.chdir(tmp_path)
    write_example(tmp_path / "other.h5")
    (tmp_path / "secret").write_bytes(bytes(66))
    path = tmp_path / "x.h5"
    write_example(path)
    with h5py.File(path, "r+") as file:
        del file["frames"]
        replace(file)
    assert "frames is" in refusal(path)


def test_parameters_that_made_the_file_are_those_asked_for(tmp_path):
    made = {"mel": {"n_mels": 40, "floor": 1e-10}, "audio": {"downmix": "center"}}
    write(tmp_path / "x.h5", [], [], attributes=params_attribute(made))
    with RaggedReader(tmp_path / "x.h5") as reader:
        assert reader.params == made
        reader.require_params({"mel": made["mel"]})
        for section, values, told in [
            ("mel", {"n_mels": 80, "floor": 1e-10}, "mel.n_mels = 40, but params.yaml says 80"),
            ("mel", {"n_mels": 40}, "mel.floor = 1e-10, but params.yaml says None"),
            ("text", {"max_tokens": 9}, "text.max_tokens = None, but params.yaml says 9"),
        ]:
            with pytest.raises(ErcError, match=rf"x\.h5: made with {told}; run `dvc repro`"):
                reader.require_params({section: values})


def test_text_is_kept_out_of_the_heap_that_has_no_checksum(tmp_path):
    assert b"GCOL" not in write_example(tmp_path / "x.h5")


def test_other_utterances_are_refused(tmp_path):
    write_example(tmp_path / "x.h5")
    ids = ["dia0_utt0", "dia0_utt1", "dia0_utt2"]
    with RaggedReader(tmp_path / "x.h5") as reader:
        reader.require_ids(ids, "utterances.parquet")
        for others in (ids[:2], [*ids, "more"], [ids[1], ids[0], ids[2]], []):
            with pytest.raises(ErcError, match=r"x\.h5: its utterances are not those of utterances\.parquet; run `dvc"):
                reader.require_ids(others, "utterances.parquet")


def test_a_read_only_file_is_read(tmp_path):
    write_example(tmp_path / "x.h5")
    (tmp_path / "x.h5").chmod(0o444)
    with RaggedReader(tmp_path / "x.h5") as one, RaggedReader(tmp_path / "x.h5") as other:
        assert np.array_equal(one[0], other[0])
