from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ragged_files import frames_of, process, write, write_example

from erc_core.errors import ErcError
from erc_core.store.ragged import RaggedReader
from erc_core.store.ragged_writer import params_attribute

DTYPES = ["int16", "int32", "float16", "float32"]
WIDTHS = [None, 1, 3, 80]
IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)


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


def test_attributes_come_back_as_they_were(tmp_path):
    write_example(tmp_path / "x.h5")
    with RaggedReader(tmp_path / "x.h5") as reader:
        read = reader.attributes
    assert (read["encoder"], read["empty"], read["layer"], read["floor"]) == ("röberta", "", 12, 1e-6)
    assert read["mean"].tolist() == [0, 1, 2]


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
