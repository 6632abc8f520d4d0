"""Hostile and damaged tars: each bad member is refused and counted, a bad archive is one clear error."""

import contextlib
import gzip
import io
import random
import tarfile
import tracemalloc
from typing import BinaryIO

import pytest
from ingest_corpora import member, tar

from voxloom.corpora.archive import ArchiveLimits, File, walk
from voxloom.corpora.refusal import Reason, Refusal
from voxloom.errors import BadInput, VoxloomError

LIMITS = ArchiveLimits(max_members=50, max_file_bytes=10_000)
GOOD = {"a.wav": b"audio", "b/c.txt": b"text"}


def contents(data: bytes, limits: ArchiveLimits = LIMITS) -> tuple[dict[str, bytes], list[Refusal]]:
    files: dict[str, bytes] = {}
    refusals: list[Refusal] = []
    for each in walk(io.BytesIO(data), limits):
        if isinstance(each, File):
            files[each.path] = each.read()
        else:
            refusals.append(each)
    return files, refusals


def reasons(data: bytes, limits: ArchiveLimits = LIMITS) -> list[str]:
    return [refusal.reason for refusal in contents(data, limits)[1]]


def test_good_files_come_out_in_order_without_dots() -> None:
    files, refusals = contents(tar({"./a.wav": b"audio", "x/./b.txt": b"text", "empty": b""}))
    assert list(files.items()) == [("a.wav", b"audio"), ("x/b.txt", b"text"), ("empty", b"")]
    assert refusals == []


@pytest.mark.parametrize(
    "name", ["../x.wav", "a/../../x.wav", "/etc/passwd", "..", "a/..", "x\ty", "x\x1b[31m", "\udcff"]
)
def test_paths_that_lead_out_are_refused(name: str) -> None:
    data = tar(GOOD, (member(name, b"evil"), b"evil"))
    assert contents(data)[0] == GOOD
    assert reasons(data) == [Reason.UNSAFE_PATH]


def test_deep_and_long_paths_are_refused() -> None:
    data = tar({"/".join("d" * 40): b"", "n" * 600: b""})
    assert reasons(data) == [Reason.UNSAFE_PATH, Reason.UNSAFE_PATH]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(kind: bytes) -> None:
    data = tar(GOOD, (member("a2.wav", type=kind, linkname="/etc/passwd"), b""))
    assert contents(data)[0] == GOOD
    assert reasons(data) == [Reason.NOT_A_FILE]


def test_folders_and_what_macs_add_are_no_clips() -> None:
    data = tar({"._a.wav": b"x", "__MACOSX/a.wav": b"x"}, (member("d", type=tarfile.DIRTYPE), b""))
    assert contents(data) == ({}, [])


def test_a_large_file_is_refused_and_the_next_one_read() -> None:
    files, refusals = contents(tar({"big.wav": bytes(10_001), "a.wav": b"audio"}))
    assert files == {"a.wav": b"audio"}
    assert refusals == [Refusal("big.wav", Reason.FILE_TOO_LARGE, "10001 bytes; at most 10000 are allowed")]


def test_the_first_of_two_files_of_one_name_is_taken() -> None:
    files, refusals = contents(tar({"a.wav": b"one"}, (member("./a.wav", b"two"), b"two")))
    assert files == {"a.wav": b"one"}
    assert [refusal.reason for refusal in refusals] == [Reason.DUPLICATE_PATH]


def test_too_many_members_fail_the_archive() -> None:
    with pytest.raises(BadInput, match="more than 50 members"):
        contents(tar({f"{i}.txt": b"" for i in range(51)}))


def test_sparse_members_fail_the_archive() -> None:
    old = member("s.wav", type=tarfile.GNUTYPE_SPARSE)
    pax = member("s.wav", b"1\n0\n0\n" + bytes(506))
    pax.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9" * 18}
    for sparse in (old, pax):
        data = tar({}, (sparse, b"1\n0\n0\n" + bytes(506) if sparse is pax else b""))
        with pytest.raises(BadInput, match="sparse"):
            contents(data)


@pytest.mark.parametrize("cut", [1, 300, 512, 700, 1024, 1500])
def test_a_cut_off_archive_is_never_taken_for_a_whole_one(cut: int) -> None:
    data = tar({"a.wav": b"a" * 400, "b.wav": b"b" * 400})[:2048]  # without the end mark
    with pytest.raises(BadInput):
        contents(data[:cut])
    with pytest.raises(BadInput):
        contents(data)
    assert contents(data + bytes(512))[0].keys() == {"a.wav", "b.wav"}


def test_damage_in_the_middle_is_no_end() -> None:
    data = bytearray(tar({"a.wav": b"a", "b.wav": b"b"}))
    data[1024 + 100] ^= 0xFF  # the second header
    with pytest.raises(BadInput, match="cut off or damaged"):
        contents(bytes(data))


@pytest.mark.parametrize(
    "data", [b"", b"no tar at all", gzip.compress(tar(GOOD)), b"PK\x03\x04" + bytes(600), b"\xff" * 2048]
)
def test_other_files_are_no_tar(data: bytes) -> None:
    with pytest.raises(BadInput):
        contents(data)


def test_a_size_that_lies_fails_the_archive() -> None:
    liar = member("a.wav")
    liar.size = 2**40
    with pytest.raises(BadInput):
        contents(liar.tobuf() + tar(GOOD))
    for size in ("-1024", "-1", "99999999999999999999"):
        info = member("a.wav", b"x" * 512)
        info.pax_headers = {"size": size}
        with pytest.raises(BadInput):
            contents(tar({}, (info, b"x" * 512)))


class Endless:
    """A pax header of a terabyte, made as it is read."""

    def __init__(self) -> None:
        header = tarfile.TarInfo("././@PaxHeader")
        header.type = tarfile.XHDTYPE
        header.size = 2**40
        self._start = io.BytesIO(header.tobuf(tarfile.GNU_FORMAT))

    def read(self, size: int = -1) -> bytes:
        return self._start.read(size) or b"1" * size


def test_a_huge_header_is_not_taken_into_memory() -> None:
    stream: BinaryIO = Endless()  # type: ignore[assignment]
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match="headers of more than"):
            list(walk(stream, LIMITS))
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_a_chain_of_headers_does_not_overflow_the_stack() -> None:
    header = tarfile.TarInfo("././@LongLink")
    header.type = tarfile.GNUTYPE_LONGNAME
    header.size = 1
    block = header.tobuf(tarfile.GNU_FORMAT) + bytes(512)
    with pytest.raises(BadInput):
        contents(block * 5000 + tar(GOOD))


def test_long_lines_are_told_not_kept() -> None:
    data = tar({"m.csv": b"short\r\n" + b"x" * 200_000 + b"\nlast"})
    walker = walk(io.BytesIO(data), ArchiveLimits())
    file = next(walker)
    assert isinstance(file, File)
    assert list(file.lines()) == [b"short", None, b"last"]


def test_damage_raises_nothing_but_our_own_errors() -> None:
    good = tar(GOOD | {"n" * 150: b"long name", "é.wav": b"x"})
    for seed in range(400):
        with contextlib.suppress(VoxloomError):
            contents(damaged(good, random.Random(seed)))


def damaged(good: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, and the checksum of that header made right, so that its fields are believed."""
    data = bytearray(good)
    start = 512 * chance.randrange(12)
    for _ in range(chance.randrange(1, 5)):
        data[start + chance.randrange(512)] = chance.choice([0, 255, 0x80, ord("7"), chance.randrange(256)])
    if data[start + 257 : start + 262] == b"ustar":
        data[start + 148 : start + 156] = b" " * 8
        data[start + 148 : start + 156] = b"%06o\0 " % sum(data[start : start + 512])
    return bytes(data)
