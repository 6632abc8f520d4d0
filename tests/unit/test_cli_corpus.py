"""What `voxloom import` sends: the files that are named, in one fixed order, and nothing from elsewhere."""

import io
import tarfile
from pathlib import Path

import pytest

from voxloom.cli.corpus import format_of_tar, read_corpus, read_manifest
from voxloom.cli.packing import pack, read_tar, rechunk
from voxloom.errors import BadInput


def members(chunks: object) -> dict[str, bytes]:
    data = b"".join(chunks)  # type: ignore[call-overload]
    with tarfile.open(fileobj=io.BytesIO(data), mode="r|") as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    root = tmp_path / "corpus"
    (root / "clips").mkdir(parents=True)
    (root / "clips" / "a.wav").write_bytes(b"a" * 700)
    (root / "clips" / "b.wav").write_bytes(b"b" * 512)
    (root / "clips" / "not-named.wav").write_bytes(b"c")
    (root / "manifest.tsv").write_text('path\ttext\nclips/a.wav\tsay "yes\nclips/b.wav\tno\n')
    return root


def test_the_manifest_comes_first_and_only_what_it_names(corpus: Path) -> None:
    sent = members(pack(read_corpus(corpus)))
    assert list(sent) == ["manifest.tsv", "clips/a.wav", "clips/b.wav"]
    assert sent["clips/a.wav"] == b"a" * 700
    assert sent["manifest.tsv"] == (corpus / "manifest.tsv").read_bytes()


def test_the_same_corpus_gives_the_same_bytes(corpus: Path) -> None:
    before = b"".join(pack(read_corpus(corpus)))
    (corpus / "clips" / "a.wav").touch()
    assert b"".join(pack(read_corpus(corpus))) == before


def test_chunks_hold_the_same_bytes_in_equal_messages(corpus: Path) -> None:
    whole = b"".join(pack(read_corpus(corpus)))
    chunks = list(rechunk(pack(read_corpus(corpus)), 1000))
    assert b"".join(chunks) == whole
    assert {len(chunk) for chunk in chunks[:-1]} == {1000}


@pytest.mark.parametrize(
    "path", ["../secret.wav", "/etc/hostname", "clips/../../secret.wav", "link.wav", "out/secret.wav", "a\0b"]
)
def test_a_path_that_leads_out_is_refused_with_its_line(corpus: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.wav").write_bytes(b"secret")
    (corpus / "link.wav").symlink_to(tmp_path / "secret.wav")
    (corpus / "out").symlink_to(tmp_path)
    with open(corpus / "manifest.tsv", "a") as file:
        file.write(f"{path}\thi\n")
    with pytest.raises(BadInput, match=r"manifest.tsv:4.*leads out of the corpus folder.*nothing was sent"):
        read_corpus(corpus)


def test_a_link_within_the_corpus_is_followed(corpus: Path) -> None:
    (corpus / "link.wav").symlink_to(corpus / "clips" / "a.wav")
    (corpus / "manifest.tsv").write_text("path\ttext\nlink.wav\thi\n")
    assert members(pack(read_corpus(corpus)))["link.wav"] == b"a" * 700


def test_a_file_swapped_for_a_link_after_the_check_is_not_sent(corpus: Path, tmp_path: Path) -> None:
    checked = read_corpus(corpus)
    (tmp_path / "secret.wav").write_bytes(b"secret")
    (corpus / "clips" / "b.wav").unlink()
    (corpus / "clips" / "b.wav").symlink_to(tmp_path / "secret.wav")
    with pytest.raises(BadInput, match="leads out"):
        list(pack(checked))


def test_a_missing_file_is_left_to_the_import_to_count(corpus: Path) -> None:
    (corpus / "clips" / "b.wav").unlink()
    found = read_corpus(corpus)
    assert found.missing == 1
    assert b"clips/b.wav" in found.manifest


def test_rows_that_cannot_be_read_are_sent_as_they_are(corpus: Path) -> None:
    with open(corpus / "manifest.tsv", "ab") as file:
        file.write(b"one-field-only\n\xff\xfe\tbroken\n")
    found = read_corpus(corpus)
    assert found.names == ("clips/a.wav", "clips/b.wav")
    assert found.manifest.endswith(b"one-field-only\n\xff\xfe\tbroken\n")


def test_only_the_rows_that_are_wanted(corpus: Path) -> None:
    found = read_manifest(corpus / "manifest.tsv", keep=lambda row: row["text"] == "no")
    assert found.names == ("clips/b.wav",)
    assert found.manifest == b"path\ttext\nclips/b.wav\tno\n"


def test_csv_with_quotes_and_byte_order_mark(corpus: Path) -> None:
    path = corpus / "list.csv"
    path.write_bytes(b'\xef\xbb\xbfText,PATH\r\n"yes, of course",clips/a.wav\r\n')
    found = read_corpus(path)
    assert (found.format, found.manifest_name, found.names) == ("csv", "manifest.csv", ("clips/a.wav",))


def test_jsonl_with_either_name_of_the_path(corpus: Path) -> None:
    path = corpus / "list.jsonl"
    path.write_text(
        '{"key": "clips/a.wav", "text": "a"}\n{"audio_filepath": "clips/b.wav", "text": "b"}\nnot json\n'
    )
    found = read_corpus(path)
    assert (found.format, found.names) == ("jsonl", ("clips/a.wav", "clips/b.wav"))


def test_a_folder_gives_audio_with_its_text(tmp_path: Path) -> None:
    (tmp_path / "ada").mkdir()
    for name in ("one.wav", "one.txt", "two.WAV", "notes.md", ".hidden.wav"):
        (tmp_path / "ada" / name).write_bytes(b"x")
    found = read_corpus(tmp_path)
    assert found.names == ("ada/one.txt", "ada/one.wav", "ada/two.WAV")
    assert list(members(pack(found))) == ["ada/one.txt", "ada/one.wav", "ada/two.WAV"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.tsv",
            "file\twords\nx\ty\n",
            "columns file, words; expected a header with at least path and text",
        ),
        ("a.csv", "path,text\n", "names no files"),
        ("a.csv", "", "columns none"),
        ("a.xlsx", "x", "found .xlsx; expected a folder"),
        ("a.csv", "path,text\ngone.wav,hi\n", "none of the 1 files that are named lie in"),
    ],
)
def test_what_is_no_corpus_says_what_was_expected(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(BadInput, match=message):
        read_corpus(tmp_path / name)


def test_two_manifests_and_none_at_all(corpus: Path, tmp_path: Path) -> None:
    (corpus / "manifest.csv").write_text("path,text\n")
    with pytest.raises(BadInput, match=r"manifest.csv and manifest.tsv"):
        read_corpus(corpus)
    with pytest.raises(BadInput, match="does not exist"):
        read_corpus(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="no audio"):
        read_corpus(tmp_path / "empty")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_ready_made_tar_is_sent_plain(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "c.tar"
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        info = tarfile.TarInfo("c/manifest.jsonl")
        info.size = 2
        archive.addfile(info, io.BytesIO(b"{}"))
    assert format_of_tar(path) == "jsonl"
    assert members(read_tar(path)) == {"c/manifest.jsonl": b"{}"}


def test_a_tar_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "c.tar").write_bytes(b"not a tar" * 100)
    with pytest.raises(BadInput, match="cannot be read as a tar"):
        format_of_tar(tmp_path / "c.tar")
