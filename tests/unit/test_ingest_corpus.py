"""The readers of each format: what fits together becomes a clip, what does not has a counted reason."""

import io
import json
from collections import Counter
from dataclasses import dataclass

import pytest
from ingest_corpora import spec, tar

from services.ingest.corpus import Found, ImportSpec, find_clips, read_index
from voxloom.corpora.archive import ArchiveLimits, walk
from voxloom.corpora.entry import Entry
from voxloom.corpora.refusal import Reason, Refusal
from voxloom.errors import BadInput

LIMITS = ArchiveLimits()


@dataclass(frozen=True)
class Clip:
    entry: Entry
    audio: bytes


def read(files: dict[str, bytes], wanted: ImportSpec) -> tuple[list[Clip], list[Refusal]]:
    data = tar(files)
    with read_index(walk(io.BytesIO(data), LIMITS), wanted, LIMITS) as index:
        outcomes = list(find_clips(walk(io.BytesIO(data), LIMITS), index, wanted))
    found = [each for each in outcomes if isinstance(each, Found)]
    return (
        [Clip(each.entry, data[each.offset : each.offset + each.size]) for each in found],
        [each for each in outcomes if isinstance(each, Refusal)],
    )


def read_csv(manifest: str | bytes, **audio: bytes) -> tuple[list[Clip], list[Refusal]]:
    content = manifest.encode() if isinstance(manifest, str) else manifest
    files = {"manifest.csv": content} | {f"{name}.wav": data for name, data in (audio or {"a": b"A"}).items()}
    return read(files, spec())


def counted(refusals: list[Refusal]) -> dict[str, int]:
    return dict(Counter(str(refusal.reason) for refusal in refusals))


def test_a_folder_of_audio_and_txt() -> None:
    files = {
        "corpus/anna/1.flac": b"A",
        "corpus/anna/1.txt": "\ufeffHello\n".encode(),
        "corpus/ben/2.txt": b"  Good bye ",
        "corpus/ben/2.wav": b"B",
        "top.ogg": b"C",
        "top.txt": b"top",
        "README.txt": b"not a transcript",
    }
    clips, refusals = read(files, spec(format="folder"))
    assert [(c.entry.path, c.entry.text, c.entry.speaker, c.audio) for c in clips] == [
        ("corpus/anna/1.flac", "Hello", "anna", b"A"),
        ("corpus/ben/2.wav", "Good bye", "ben", b"B"),
        ("top.ogg", "top", "", b"C"),
    ]
    assert refusals == []


def test_a_folder_whose_parts_do_not_fit() -> None:
    files = {
        "a/1.wav": b"A",
        "a/2.txt": b"two",
        "a/3.wav": b"C",
        "a/3.txt": b"\xff\xfe",
        "a/4.txt": b"x" * 70_000,
    }
    clips, refusals = read(files, spec(format="folder"))
    assert clips == []
    assert counted(refusals) == {
        Reason.NO_TRANSCRIPT: 2,
        Reason.AUDIO_MISSING: 1,
        Reason.BAD_TEXT: 1,
        Reason.TEXT_TOO_LONG: 1,
    }


def test_csv_columns_go_by_name_in_any_order() -> None:
    manifest = '\ufeffdur,Text,language,PATH,speaker,split\n1,"Yes, sir",cy,./x/a.wav, anna ,Dev\r\n'
    clips, refusals = read({"manifest.csv": manifest.encode(), "x/a.wav": b"A"}, spec())
    assert refusals == []
    assert vars(clips[0].entry) == {
        "path": "x/a.wav",
        "text": "Yes, sir",
        "speaker": "anna",
        "split": "dev",
        "language": "cy",
        "details": {},
    }


def test_paths_are_relative_to_the_manifest_whatever_folder_the_tar_has() -> None:
    manifest = b"path,text\nclips/a.wav,hello\n"
    plain, _ = read({"manifest.csv": manifest, "clips/a.wav": b"A"}, spec())
    nested, _ = read({"./cv-1/en/clips/a.wav": b"A", "cv-1/en/manifest.csv": manifest}, spec())
    assert plain == nested


def test_a_tsv_has_no_quotes() -> None:
    manifest = b'path\ttext\na.wav\tsay "hello\nb.wav\t"quoted", he said\n'
    clips, refusals = read({"manifest.tsv": manifest, "a.wav": b"A", "b.wav": b"B"}, spec())
    assert [clip.entry.text for clip in clips] == ['say "hello', '"quoted", he said']
    assert refusals == []


def test_one_broken_row_costs_one_row() -> None:
    rows = [
        "path,text",
        "a.wav,fine",
        'b.wav,"never closed',
        "c.wav",
        "d.wav,too,many",
        'e.wav,"x"y',
        "f.wav,fine too",
        "",
    ]
    clips, refusals = read_csv("\n".join(rows), **dict.fromkeys("abcdef", b"A"))
    assert [clip.entry.path for clip in clips] == ["a.wav", "f.wav"]
    assert counted(refusals) == {Reason.BAD_ROW: 4, Reason.NO_TRANSCRIPT: 4}
    assert refusals[0].path == "manifest.csv:3"


def test_rows_that_are_not_text_are_counted() -> None:
    manifest = b"path,text\na.wav,ok\n\xff\xfe.wav,x\n" + b"c.wav," + b"x" * 70_000 + b"\n\n\nd.wav,n\0l\n"
    clips, refusals = read_csv(manifest, a=b"A", d=b"D")
    assert [clip.entry.text for clip in clips] == [
        "ok",
        "n\0l",
    ]  # what a text may hold is checked with the clip
    assert [refusal.path for refusal in refusals] == ["manifest.csv:3", "manifest.csv:4"]


def test_rows_and_audio_that_do_not_fit() -> None:
    manifest = "path,text\na.wav,one\na.wav,two\nmissing.wav,three\n../b.wav,four\n/etc/passwd,five\n,six\n"
    clips, refusals = read_csv(manifest, a=b"A", b=b"B")
    assert [clip.entry.text for clip in clips] == ["one"]
    assert counted(refusals) == {
        Reason.DUPLICATE_ROW: 1,
        Reason.AUDIO_MISSING: 1,
        Reason.UNSAFE_PATH: 3,
        Reason.NO_TRANSCRIPT: 1,
    }


def test_a_second_manifest_is_not_ignored_silently() -> None:
    files = {"a/manifest.csv": b"path,text\n1.wav,one\n", "a/1.wav": b"A", "b/manifest.csv": b"path,text\n"}
    assert counted(read(files, spec())[1]) == {Reason.SECOND_MANIFEST: 1}


@pytest.mark.parametrize("header", ["", "file,sentence", "path;text", "path", '"path,text', "a.wav,hello"])
def test_a_manifest_without_its_columns_fails_at_once(header: str) -> None:
    with pytest.raises(BadInput, match=r"columns|header"):
        read_csv(header + "\nx,y\n")


def test_a_published_split_needs_its_column() -> None:
    with pytest.raises(BadInput, match="split missing"):
        read({"manifest.csv": b"path,text\n"}, spec(keep_published_split=True))


def test_no_manifest_is_a_clear_error() -> None:
    with pytest.raises(BadInput, match=r"no manifest\.csv or manifest\.tsv"):
        read({"a.wav": b"A"}, spec())


def test_jsonl_of_two_kinds() -> None:
    rows = [
        {"key": "a", "text": "by key"},
        {"audio_filepath": "x/b.wav", "duration": 1.5, "text": "by path", "speaker": 7, "language": "fr"},
        {"key": "c.wav", "text": "whole name", "split": None},
    ]
    manifest = "\n".join(json.dumps(row) for row in rows).encode()
    clips, refusals = read(
        {"manifest.jsonl": manifest, "a.wav": b"A", "x/b.wav": b"B", "c.wav": b"C"}, spec(format="jsonl")
    )
    assert [(c.entry.path, c.entry.text, c.entry.speaker, c.entry.language) for c in clips] == [
        ("a.wav", "by key", "", ""),
        ("x/b.wav", "by path", "7", "fr"),
        ("c.wav", "whole name", "", ""),
    ]
    assert refusals == []


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[]",
        "1",
        '{"text": "no key"}',
        '{"key": "a.wav"}',
        '{"key": 1, "text": "x"}',
        '{"key": "a.wav", "text": "x", "speaker": []}',
        "[" * 20_000,
        '{"key": ' + "9" * 5000 + "}",
    ],
)
def test_jsonl_lines_that_are_no_rows(line: str) -> None:
    good = '{"key": "a.wav", "text": "fine"}'
    clips, refusals = read(
        {"manifest.jsonl": f"{line}\n{good}\n".encode(), "a.wav": b"A"}, spec(format="jsonl")
    )
    assert len(clips) == 1
    assert counted(refusals) == {Reason.BAD_ROW: 1}


def test_hostile_names_can_be_printed() -> None:
    line = json.dumps({"key": "\ud800\x1b[2Ja.wav", "text": "x"})
    _, refusals = read({"manifest.jsonl": line.encode()}, spec(format="jsonl"))
    assert refusals[0].reason == Reason.UNSAFE_PATH
    assert refusals[0].path.isprintable()
    assert refusals[0].path.encode()
