"""A corpus is the same from a tar, a gzipped tar and a folder; damage and links are never followed."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest
from ingest_corpora import tar

from voxloom.corpora.archive import ArchiveLimits, File
from voxloom.corpora.members import Members, from_folder, from_stream
from voxloom.corpora.refusal import Reason, Refusal
from voxloom.corpora.seen import Seen
from voxloom.errors import BadInput

LIMITS = ArchiveLimits(max_members=20, max_file_bytes=1000, max_table_bytes=2000, max_depth=4)
FILES = {"a/clips/x.mp3": b"x" * 900, "a/clips/y.mp3": b"y", "a/validated.tsv": b"one\ntwo\n" * 200}


def contents(members: Members) -> dict[str, bytes]:
    return {each.path: each.read() for each in members if isinstance(each, File)}


def of_stream(data: bytes) -> dict[str, bytes]:
    with from_stream(io.BytesIO(data), LIMITS) as members:
        return contents(members)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name, data in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def test_the_same_from_tar_gzip_and_folder(folder: Path) -> None:
    with from_folder(folder, LIMITS) as members:
        assert contents(members) == FILES
    assert of_stream(tar(FILES)) == FILES
    assert of_stream(gzip.compress(tar(FILES))) == FILES


def test_a_gzipped_tar_that_is_cut_off_anywhere_is_an_error() -> None:
    packed = gzip.compress(tar({"a.mp3": os.urandom(900)}))
    for cut in range(0, len(packed), 40):
        with pytest.raises(BadInput):
            of_stream(packed[:cut])
    with pytest.raises(BadInput, match="cut off"):
        of_stream(packed[:-1])


def test_a_damaged_byte_in_a_gzipped_tar_is_an_error() -> None:
    packed = bytearray(gzip.compress(tar({"a.mp3": os.urandom(900)})))
    packed[500] ^= 0x55
    with pytest.raises(BadInput):
        of_stream(bytes(packed))


def test_a_bomb_of_zeros_is_one_refusal() -> None:
    packed = gzip.compress(tar({"bomb.mp3": bytes(30_000_000), "b.mp3": b"b"}), compresslevel=1)
    with from_stream(io.BytesIO(packed), LIMITS) as members:
        found = list(members)
    assert [each.path for each in found] == ["bomb.mp3", "b.mp3"]
    assert isinstance(found[0], Refusal)
    assert found[0].reason == Reason.FILE_TOO_LARGE


def test_links_and_pipes_below_a_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.mp3").write_bytes(b"secret")
    (folder / "a" / "link.mp3").symlink_to(tmp_path / "secret.mp3")
    (folder / "a" / "out").symlink_to(tmp_path)
    os.mkfifo(folder / "a" / "pipe.mp3")
    (folder / "._x.mp3").write_bytes(b"clutter")
    (folder / "a" / "bad\x1bname").write_bytes(b"x")
    with from_folder(folder, LIMITS) as members:
        found = list(members)
    refused = {each.path: each.reason for each in found if isinstance(each, Refusal)}
    expected = {"a/link.mp3": Reason.NOT_A_FILE, "a/out": Reason.NOT_A_FILE, "a/pipe.mp3": Reason.NOT_A_FILE}
    assert refused == expected | {"a/bad\ufffdname": Reason.UNSAFE_PATH}
    assert {each.path for each in found if isinstance(each, File)} == FILES.keys()


def test_a_file_that_became_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.mp3").write_bytes(b"secret")
    with from_folder(folder, LIMITS) as members:
        file = next(each for each in members if each.path == "a/clips/y.mp3")
        (folder / file.path).unlink()
        (folder / file.path).symlink_to(tmp_path / "secret.mp3")
        assert isinstance(file, File)
        with pytest.raises(OSError, match="symbolic links"):
            file.read()


def test_folders_that_are_too_deep_or_too_full_are_refused(folder: Path) -> None:
    (folder / "b/c/d/e/f").mkdir(parents=True)
    (folder / "b/c/d/e/f/x.mp3").write_bytes(b"x")
    with from_folder(folder, LIMITS) as members:
        assert [(each.path, each.reason) for each in members if isinstance(each, Refusal)] == [
            ("b/c/d/e/f", Reason.UNSAFE_PATH)
        ]
    for number in range(20):
        (folder / f"{number}.mp3").write_bytes(b"x")
    with from_folder(folder, LIMITS) as members, pytest.raises(BadInput, match="more than 20 files"):
        list(members)


def test_tables_have_a_limit_of_their_own() -> None:
    with from_stream(io.BytesIO(tar({"a.tsv": b"x" * 1500, "b.tsv": b"x" * 2500})), LIMITS) as members:
        assert [isinstance(each, File) for each in members] == [True, False]


def test_chunks_and_reading_give_the_same() -> None:
    data = tar({"a.tsv": b"x" * 1999})
    with from_stream(io.BytesIO(data), LIMITS) as members:
        ((file),) = [b"".join(each.chunks()) for each in members if isinstance(each, File)]
    assert file == b"x" * 1999


def test_what_is_left_in_the_middle_is_closed(folder: Path) -> None:
    with from_folder(folder, LIMITS) as members:
        next(members)
    with pytest.raises(StopIteration):
        next(members)


def test_a_path_is_new_once() -> None:
    with Seen() as seen:
        assert [seen.add(path) for path in ("a", "b", "a", "\udcff", "\udcff")] == [
            True,
            True,
            False,
            True,
            False,
        ]


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no folder"), from_folder(tmp_path / "gone", LIMITS):
        pass


def test_offsets_find_the_bytes_in_the_plain_tar() -> None:
    data = tar(FILES)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        expected = {each.name: each.offset_data for each in archive}
    with from_stream(io.BytesIO(gzip.compress(data)), LIMITS) as members:
        assert {each.path: each.offset for each in members if isinstance(each, File)} == expected
