"""Takes as an archive: streamed, whole, and a corpus that can be read again."""

import io
import itertools
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from takes_world import Studio, record

from services.recorder.exporting import CSV, JSONL, LJSPEECH, PART_BYTES, Table, archive
from services.recorder.take_index import Asked
from voxloom import keys
from voxloom.corpora import formats
from voxloom.corpora.listing import Row


@pytest.fixture
def studio(tmp_path: Path, quick_disk: None) -> Iterator[Studio]:
    studio = Studio(tmp_path / "store")
    yield studio
    studio.close()


def parts_of(studio: Studio, table: Table) -> Iterator[bytes]:
    return archive(studio.store, studio.catalogue.each(Asked()), table)


@pytest.mark.parametrize("table", [CSV, JSONL, LJSPEECH])
def test_what_is_exported_can_be_imported(studio: Studio, table: Table, tmp_path: Path) -> None:
    texts = ['say "hi", she said', "a|b", "Zoë's naïve café", "one fish"]
    for number, text in enumerate(texts):
        studio.put(record(number, text=text, language="cy"))
    studio.reviewing.review([("ada", record(3).utterance)], "rejected", 'noise, "loud"')
    with zipfile.ZipFile(io.BytesIO(b"".join(parts_of(studio, table)))) as found:
        assert found.testzip() is None
        found.extractall(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(["wavs", table.name])
    path = tmp_path / "out" / table.name
    listing = formats.detect(path).read(path)
    rows = [row for row in listing.rows if isinstance(row, Row)]
    assert len(rows) == len(listing.rows) == 4
    for row, (number, text) in zip(rows, reversed(list(enumerate(texts))), strict=True):
        assert (tmp_path / "out" / row.path).read_bytes() == b"RIFF" + text.encode()
        if table is LJSPEECH:
            assert row.details["id"] == record(number).utterance
        else:
            assert (row.text, row.speaker, row.language) == (text, "ada", "cy")
            assert row.details.get("verdict", "") == ("rejected" if number == 3 else "")


def test_it_is_sent_while_it_is_made(studio: Studio) -> None:
    for number in range(30):
        take = record(number)
        studio.put(take)
        studio.store.put(keys.raw_audio("user_recorded", "ada", take.utterance), bytes(100_000))
    parts = parts_of(studio, CSV)
    first = list(itertools.islice(parts, 3))
    for number in range(20):  # the oldest: not read yet
        studio.takes.delete("ada", record(number).utterance)
    rest = list(parts)
    assert {len(part) for part in (first + rest)[:-1]} == {PART_BYTES}
    assert len(rest[-1]) <= PART_BYTES
    with zipfile.ZipFile(io.BytesIO(b"".join(first + rest))) as found:
        told = found.read("left_out.txt").decode().splitlines()
        listed = found.read("takes.csv").decode().splitlines()[1:]
        audio = [name for name in found.namelist() if name.startswith("wavs/")]
    assert len(audio) == len(listed) >= 10
    assert len(told) == 30 - len(audio) > 0
    assert told[-1] == f"{record(0).utterance}: deleted while this was made"


def test_nothing_is_an_archive_too(studio: Studio) -> None:
    with zipfile.ZipFile(io.BytesIO(b"".join(parts_of(studio, JSONL)))) as found:
        assert found.namelist() == ["takes.jsonl"]
