"""Archives that were made to harm, or broken on the way."""

import contextlib
import gzip
import io
import os
import random
import tarfile
import tracemalloc

import pytest

from erc_core.corpora.archives import Unpacker
from erc_core.errors import ErcError

NOISE = random.Random(0).randbytes(60_000)
LIMIT = 10_000_000


def member(name, content=b"clip", **attributes):
    header = tarfile.TarInfo(name)
    header.size = len(content)
    for key, value in attributes.items():
        setattr(header, key, value)
    return header, content


def tar_bytes(*members, mode="w:gz", **options):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, **options) as archive:
        for header, content in members:
            archive.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def unpack(tmp_path):
    target = tmp_path / "inside" / "unpacked"
    target.mkdir(parents=True)

    def run(content, max_bytes=LIMIT, inner=None):
        path = tmp_path / "archive.tar.gz"
        path.write_bytes(content)
        unpacker = Unpacker(
            target,
            wanted=lambda name: name.endswith(".mp4"),
            inner=inner or (lambda name: "in" if name == "inner.tar.gz" else None),
            max_bytes=max_bytes,
            bound="ingest.meld.max_unpacked_gb",
        )
        unpacker.unpack(path)
        return unpacker

    run.target = target
    run.outside = tmp_path
    return run


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_wanted_files_come_out_as_they_went_in(unpack, mode, layout):
    long_name = f"{'folder' * 20}/long.mp4"
    content = tar_bytes(
        member("./a/dia0.mp4", NOISE),
        member("a/notes.txt"),
        member("a/._dia0.mp4"),
        member("a/.hidden/dia1.mp4"),
        member(long_name),
        mode=mode,
        format=layout,
    )
    done = unpack(content)
    assert files_below(unpack.target) == {"a/dia0.mp4", long_name}
    assert (unpack.target / "a/dia0.mp4").read_bytes() == NOISE
    assert (done.files, done.size, done.issues) == (2, len(NOISE) + 4, [])


HOSTILE = [
    member("../out.mp4"),
    member("a/../../out.mp4"),
    member("a/b/../../c.mp4"),
    member("/tmp/absolute_erc.mp4"),
    member("//tmp/absolute_erc.mp4"),
    member("C:/out.mp4"),
    member("..\\out.mp4"),
    member("new\nline.mp4"),
    member("bad\udcff.mp4"),
    member("n" * 300 + ".mp4"),
    member("a/" * 20 + "deep.mp4"),
    member("link.mp4", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    member("folder", b"", type=tarfile.SYMTYPE, linkname="../.."),
    member("folder/through.mp4"),
    member("hard.mp4", b"", type=tarfile.LNKTYPE, linkname="../../secret"),
    member("inner.tar.gz", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    member("device.mp4", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    member("block.mp4", b"", type=tarfile.BLKTYPE),
    member("fifo.mp4", b"", type=tarfile.FIFOTYPE),
    member("odd.mp4", b"", type=b"Z"),
    member("file.mp4"),
    member("file.mp4/under.mp4"),
    member("file.mp4", b"again"),
    member("setuid.mp4", mode=0o6777, uid=0),
    member("good.mp4"),
]


def test_hostile_members_are_skipped_and_recorded(unpack):
    (unpack.outside / "secret").write_text("secret")
    done = unpack(tar_bytes(*HOSTILE))
    assert files_below(unpack.outside) == {
        "archive.tar.gz",
        "secret",
        *(f"inside/unpacked/{name}" for name in ("folder/through.mp4", "file.mp4", "setuid.mp4", "good.mp4")),
    }
    assert not any(path.is_symlink() for path in unpack.target.rglob("*"))
    assert not os.path.lexists("/tmp/absolute_erc.mp4")
    assert (unpack.target / "file.mp4").read_bytes() == b"clip"
    assert not (unpack.target / "setuid.mp4").stat().st_mode & 0o7000
    kinds = [issue.kind for issue in done.issues]
    assert kinds.count("unsafe_member") >= 18
    assert kinds.count("repeated_member") == 2
    reasons = " ".join(issue.detail for issue in done.issues)
    for reason in ("leaves its folder", "absolute path", "symbolic link", "hard link", "device", "name too long"):
        assert reason in reasons
    for issue in done.issues:
        assert issue.where.isprintable()
        assert issue.where.startswith("archive.tar.gz: ")
        issue.where.encode()


def test_no_link_in_the_folder_leads_out_of_it(unpack):
    (unpack.target / "link").symlink_to(unpack.outside)
    done = unpack(tar_bytes(member("link/x.mp4"), member("y.mp4")))
    assert [(issue.where, issue.detail) for issue in done.issues] == [
        ("archive.tar.gz: link/x.mp4", "path leaves its folder by a link")
    ]
    assert not (unpack.outside / "x.mp4").exists()
    assert (unpack.target / "y.mp4").exists()


def test_an_inner_archive_is_unpacked_without_being_stored(unpack):
    inner = tar_bytes(member("splits/x.mp4", NOISE), member("inner.tar.gz", b"not opened a second time"))
    done = unpack(tar_bytes(member("MELD.Raw/inner.tar.gz", inner), member("y.mp4")))
    assert files_below(unpack.target) == {"in/splits/x.mp4", "y.mp4"}
    assert (unpack.target / "in/splits/x.mp4").read_bytes() == NOISE
    assert done.issues == []


def test_an_inner_archive_is_not_counted_twice(unpack):
    inner = tar_bytes(member("x.mp4", NOISE))
    unpack(tar_bytes(member("inner.tar.gz", inner), mode="w:gz"), max_bytes=len(NOISE) + 60_000)


def test_hostile_members_of_an_inner_archive_are_recorded(unpack):
    done = unpack(tar_bytes(member("inner.tar.gz", tar_bytes(member("../../x.mp4"), member("../x.mp4")))))
    assert [issue.where for issue in done.issues] == [
        "archive.tar.gz: inner.tar.gz: ../../x.mp4",
        "archive.tar.gz: inner.tar.gz: ../x.mp4",
    ]
    assert files_below(unpack.outside) == {"archive.tar.gz"}


BOMB = gzip.compress(tar_bytes(member("bomb.mp4", bytes(20_000_000)), mode="w"))


@pytest.mark.parametrize(
    "content",
    [
        BOMB,
        tar_bytes(member("inner.tar.gz", BOMB)),
        tar_bytes(member("skipped.bin", bytes(20_000_000))),
        tar_bytes(member("a.mp4")) + gzip.compress(bytes(20_000_000)),
    ],
    ids=["wanted", "inner", "skipped", "after the end"],
)
def test_a_size_bomb_is_refused(unpack, content):
    with pytest.raises(ErcError, match=r"archive\.tar\.gz.*unpacks to more than ingest\.meld\.max_unpacked_gb"):
        unpack(content)
    assert sum(path.stat().st_size for path in unpack.target.rglob("*") if path.is_file()) <= LIMIT


def test_a_header_that_fills_the_memory_is_refused(unpack):
    header = tarfile.TarInfo("pax")
    header.type = tarfile.XHDTYPE
    header.size = 1 << 33
    content = gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(30_000_000))
    tracemalloc.start()
    with pytest.raises(ErcError, match="truncated or damaged"):
        unpack(content, max_bytes=1e12)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_sparse_file_is_refused(unpack):
    header = tarfile.TarInfo("sparse.mp4")
    header.type = tarfile.GNUTYPE_SPARSE
    header.size = 512
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[386:410] = b"00000000000\0" + b"00000001000\0"
    block[483:495] = b"77777777777\0"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    done = unpack(bytes(block) + bytes(512) + bytes(1024))
    assert [issue.detail for issue in done.issues] == ["sparse file"]
    assert files_below(unpack.target) == set()


WHOLE = tar_bytes(*(member(f"{k}.mp4", NOISE[k:]) for k in range(5)))
PLAIN = tar_bytes(*(member(f"{k}.mp4", NOISE[k:]) for k in range(5)), mode="w")
SECOND = 512 + 118 * 512  # where the second member begins
BROKEN_HEADER = bytearray(PLAIN)
BROKEN_HEADER[SECOND + 148] ^= 1


@pytest.mark.parametrize(
    "content",
    [
        WHOLE[:-1],
        WHOLE[: len(WHOLE) // 2],
        WHOLE[:30],
        WHOLE[:2],
        PLAIN[: len(PLAIN) // 2],
        PLAIN[: SECOND - 512],
        PLAIN[:SECOND],
        gzip.compress(PLAIN[: len(PLAIN) // 2]),
        gzip.compress(PLAIN[: SECOND + 100]),
        bytes(BROKEN_HEADER),
        gzip.compress(BROKEN_HEADER),
        WHOLE[:-20] + bytes(12) + WHOLE[-8:],
        WHOLE[:-8] + bytes(8),
        tar_bytes(member("inner.tar.gz", WHOLE[: len(WHOLE) // 2])),
        tar_bytes(member("inner.tar.gz", WHOLE))[:-100_000],
        b"",
        b"<html>404</html>",
        NOISE,
    ],
    ids=lambda content: f"{len(content)}-bytes",
)
def test_what_is_not_a_whole_archive_is_told_by_name(unpack, content):
    with pytest.raises(ErcError, match=r"archive\.tar\.gz.*truncated or damaged") as caught:
        unpack(content)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("truncated or damaged") == 1


def test_an_archive_without_end_mark_is_whole_if_its_checksum_is(unpack):
    first, rest = PLAIN[:SECOND], PLAIN[SECOND:]
    assert rest[:5] == b"1.mp4"
    assert unpack(gzip.compress(first)).files == 1


@pytest.mark.parametrize("seed", range(30))
def test_flipped_bytes_never_end_in_a_traceback(unpack, seed):
    chance = random.Random(seed)
    damaged = bytearray(tar_bytes(member("a.mp4"), member("inner.tar.gz", WHOLE[:9000]), member("b.mp4"), mode="w"))
    for _ in range(chance.randint(1, 20)):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    for content in (bytes(damaged), gzip.compress(damaged)):
        with contextlib.suppress(ErcError):  # anything else would be a traceback for the user
            unpack(content)
    assert {path.name for path in unpack.outside.iterdir()} == {"archive.tar.gz", "inside"}


def test_a_disk_that_is_full_is_told(unpack, monkeypatch):
    def full(self, *arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.mkdir", full)
    with pytest.raises(ErcError, match=r"archive\.tar\.gz: not unpacked to .*No space left on device"):
        unpack(WHOLE)
