"""Corpora of other tools: recognised, read, and sent so that nothing leaves the folder or goes uncounted."""

import gzip
import io
import json
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from voxloom.cli.corpus import Corpus
from voxloom.cli.opening import FormatName, Reading, open_corpus
from voxloom.cli.packing import pack
from voxloom.corpora import formats
from voxloom.corpora.listing import Part
from voxloom.corpora.parts import Recordings
from voxloom.errors import BadInput

RATE_HZ = 8000


def put(path: Path, seconds: float = 0.2, channels: int = 1) -> np.ndarray[Any, Any]:
    """A WAV of numbers that tell where and in which channel they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.arange(round(seconds * RATE_HZ))[:, None] + 10_000 * np.arange(channels)
    soundfile.write(path, samples.astype(np.int16), RATE_HZ)
    return samples.astype(np.int16)


def lines(corpus: Corpus) -> list[Any]:
    return [json.loads(line) for line in corpus.manifest.splitlines()]


def texts(corpus: Corpus) -> dict[str, str]:
    return {row["key"]: row["text"] for row in lines(corpus) if isinstance(row, dict)}


def files(corpus: Corpus) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(pack(corpus))), mode="r|") as archive:
        return {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]


def test_every_format_can_be_named() -> None:
    assert set(FormatName) == {"auto", *formats.FORMATS}


def test_ljspeech_takes_the_normalised_text_and_counts_what_it_cannot_use(tmp_path: Path) -> None:
    put(tmp_path / "wavs" / "a.wav")
    put(tmp_path / "wav" / "b.wav")
    (tmp_path / "metadata.csv").write_text("a|Dr. X|Doctor X\nb|hello\nno bar\ngone|x\n")
    found = open_corpus(tmp_path)
    assert texts(found) == {"wavs/a.wav": "Doctor X", "wav/b.wav": "hello", "wavs/gone.wav": "x"}
    assert [row for row in lines(found) if isinstance(row, str)] == [
        "metadata.csv:3: 1 fields; expected id|text or id|raw|normalised"
    ]
    assert found.missing == 1
    assert list(files(found)) == ["manifest.jsonl", "wavs/a.wav", "wav/b.wav"]


@pytest.mark.parametrize("kind", ["relative", "absolute"])
def test_keys_of_jsonl_lie_below_the_folder_or_the_audio_root(tmp_path: Path, kind: str) -> None:
    home, audio = tmp_path / "home", tmp_path / "audio"
    put(audio / "deep" / "a.wav")
    home.mkdir()
    key = "deep/a.wav" if kind == "relative" else str(audio / "deep" / "a.wav")
    (home / "list.jsonl").write_text(json.dumps({"key": key, "text": "hi", "speaker": 7}) + "\n")
    with pytest.raises(BadInput, match=r"--audio-root" if kind == "absolute" else "1 files are missing"):
        open_corpus(home / "list.jsonl")
    found = open_corpus(home / "list.jsonl", Reading(audio_root=audio))
    assert texts(found) == {"deep/a.wav": "hi"}
    assert files(found)["deep/a.wav"] == (audio / "deep" / "a.wav").read_bytes()


@pytest.mark.parametrize(
    "path", ["/etc/hostname", "../secret.wav", "in/../../secret.wav", "link.wav", "out/secret.wav"]
)
def test_nothing_outside_is_sent_and_its_row_is(tmp_path: Path, path: str) -> None:
    root = tmp_path / "corpus"
    put(root / "a.wav")
    put(tmp_path / "secret.wav")
    (root / "link.wav").symlink_to(tmp_path / "secret.wav")
    (root / "out").symlink_to(tmp_path)
    rows = [{"key": "a.wav", "text": "a"}, {"key": path, "text": "b"}]
    (root / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = open_corpus(root / "list.jsonl")
    assert [row["key"] for row in lines(found)] == ["a.wav", path]
    assert list(files(found)) == ["manifest.jsonl", "a.wav"]


def test_files_that_are_no_audio_stay_here(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    (tmp_path / "key.pem").write_text("secret")
    (tmp_path / "x.jsonl").write_text('{"key": "a.wav", "text": "a"}\n{"key": "key.pem", "text": "b"}\n')
    found = open_corpus(tmp_path / "x.jsonl")
    assert set(texts(found)) == {"a.wav", "key.pem"}
    assert list(files(found)) == ["manifest.jsonl", "a.wav"]


def test_parts_of_nemo_are_cut_to_the_sample(tmp_path: Path) -> None:
    samples = put(tmp_path / "talk.wav", 2.0)
    rows = [
        {"audio_filepath": "talk.wav", "offset": 0.5, "duration": 0.25, "text": "one"},
        {"audio_filepath": "talk.wav", "offset": 1.5, "text": "rest"},
        {"audio_filepath": "talk.wav", "offset": 0, "duration": 2.0, "text": "all"},
        {"audio_filepath": "talk.wav", "offset": 9, "duration": 1, "text": "beyond"},
        {"audio_filepath": "talk.wav", "offset": "x", "text": "no number"},
    ]
    (tmp_path / "train.json").write_text("\n".join(map(json.dumps, rows)))
    found = open_corpus(tmp_path / "train.json")
    sent = files(found)
    assert texts(found) == {
        "talk_00000500-00000750.flac": "one", "talk_00001500-00002000.flac": "rest", "talk.wav": "all",
    }  # fmt: skip
    assert sum(isinstance(row, str) for row in lines(found)) == 2
    for name, start, stop in (
        ("talk_00000500-00000750.flac", 4000, 6000),
        ("talk_00001500-00002000.flac", 12000, 16000),
    ):
        cut, rate_hz = soundfile.read(io.BytesIO(sent[name]), dtype="int16")
        assert rate_hz == RATE_HZ
        np.testing.assert_array_equal(cut, samples[start:stop, 0])
    assert lines(found)[0]["details"]["recording"] == "talk.wav"


@pytest.mark.parametrize("suffix", ["mp3", "ogg"])
def test_parts_of_a_lossy_file_are_those_of_the_whole(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 48000)
    soundfile.write(tmp_path / f"a.{suffix}", noise, 16000)
    whole, _ = soundfile.read(tmp_path / f"a.{suffix}", dtype="float32")
    with Recordings() as recordings:
        for start_s in (0.5, 2.0, 1.0):
            flac = recordings.flac(tmp_path / f"a.{suffix}", Part(start_s, 0.5))
            cut, _ = soundfile.read(io.BytesIO(flac), dtype="float32")
            start = round(start_s * 16000)
            np.testing.assert_allclose(cut, whole[start : start + 8000], atol=2**-15)


def test_coqui_folders_know_their_split(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    header = "wav_filename,wav_filesize,transcript\n"
    (tmp_path / "train.csv").write_text(f'{header}a.wav,10,"well, yes"\n"open,1,x\n')
    (tmp_path / "dev.csv").write_text(f"{header}b.wav,10,no\n")
    found = open_corpus(tmp_path)
    rows = {row["key"]: row for row in lines(found) if isinstance(row, dict)}
    assert (rows["a.wav"]["text"], rows["a.wav"]["split"]) == ("well, yes", "train")
    assert rows["b.wav"]["split"] == "dev"
    assert sum(isinstance(row, str) for row in lines(found)) == 1


@pytest.fixture
def mimic(tmp_path: Path) -> Path:
    folder = tmp_path / "audio_files" / "u1"
    for name in ("x", "y", "z"):
        put(folder / f"{name}.wav")
    (folder / "u1-metadata.txt").write_text("x.wav|this|or that|12\nx.wav|this|or that|12\nbroken\n")
    return tmp_path


def database(path: Path, script: str) -> None:
    path.parent.mkdir(exist_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()


USERS = "create table usermodel(uuid text, user_name text); insert into usermodel values ('u1', 'Kim');"
AUDIO = "create table audiomodel(audio_id text, prompt text, user_id text);"


def test_mimic_with_its_database(mimic: Path) -> None:
    database(
        mimic / "db" / "mimicstudio.db",
        f"{USERS}{AUDIO}insert into audiomodel values ('y', 'from db', 'u1');",
    )
    before = (mimic / "db" / "mimicstudio.db").read_bytes()
    found = open_corpus(mimic)
    assert texts(found) == {"u1/x.wav": "this|or that", "u1/y.wav": "from db"}
    assert {row["speaker"] for row in lines(found) if isinstance(row, dict)} == {"Kim"}
    assert "u1/z.wav" in files(found), "sent without a row, to be counted as no_transcript"
    assert sum(isinstance(row, str) for row in lines(found)) == 1
    assert (mimic / "db" / "mimicstudio.db").read_bytes() == before
    assert [path.name for path in (mimic / "db").iterdir()] == ["mimicstudio.db"]


@pytest.mark.parametrize(
    "script",
    [
        USERS,
        f"{AUDIO}create view usermodel as with recursive n(uuid, user_name) as "
        "(select 'a', 'b' union all select uuid, user_name from n) select * from n;",
        f"{USERS}create table audiomodel(audio_id text);",
    ],
)
def test_a_hostile_database_is_refused(mimic: Path, script: str) -> None:
    database(mimic / "db" / "mimicstudio.db", script)
    with pytest.raises(BadInput, match=r"mimicstudio.db cannot be read as Mimic's database"):
        open_corpus(mimic)


def test_a_file_that_is_no_database_is_refused(mimic: Path) -> None:
    (mimic / "mimicstudio.db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 20)
    with pytest.raises(BadInput, match="cannot be read as Mimic's database"):
        open_corpus(mimic)


def test_piper_knows_speaker_and_language_and_how_to_convert_webm(tmp_path: Path) -> None:
    group = tmp_path / "output" / "user_7" / "en-GB" / "0_99"
    put(group / "1.wav")
    for name, content in {"1.txt": "one", "2.txt": "two", "2.webm": "x"}.items():
        (group / name).write_text(content)
    found = open_corpus(tmp_path)
    assert lines(found)[0] == {
        "key": "user_7/en-GB/0_99/1.wav", "text": "one", "speaker": "7", "language": "en-GB",
    }  # fmt: skip
    assert lines(found)[1]["key"].endswith("2.webm")
    assert "user_7/en-GB/0_99/2.webm" not in files(found)
    assert any("ffmpeg" in note for note in found.notes)


def test_lhotse_reads_files_and_refuses_commands(tmp_path: Path) -> None:
    samples = put(tmp_path / "r.wav", 2.0, channels=2)
    source = {"type": "file", "channels": [0, 1], "source": "r.wav"}
    recording = {
        "id": "r",
        "sources": [source],
        "sampling_rate": RATE_HZ,
        "num_samples": 16000,
        "duration": 2.0,
    }
    shell = {**recording, "id": "sh", "sources": [{**source, "type": "command", "source": "touch /tmp/x"}]}
    said = {
        "id": "s",
        "recording_id": "r",
        "start": 0.5,
        "duration": 1,
        "channel": 1,
        "text": "hi",
        "speaker": "A",
    }
    write_gz(tmp_path / "x_recordings.jsonl.gz", recording, shell)
    write_gz(
        tmp_path / "x_supervisions.jsonl.gz",
        said,
        {**said, "recording_id": "sh"},
        {**said, "recording_id": "?"},
    )
    found = open_corpus(tmp_path)
    assert texts(found) == {"r_00000500-00001500_c1.flac": "hi"}
    assert "only files are read" in lines(found)[1]
    assert "is not there" in lines(found)[2]
    cut, _ = soundfile.read(io.BytesIO(files(found)["r_00000500-00001500_c1.flac"]), dtype="int16")
    np.testing.assert_array_equal(cut, samples[4000:12000, 1])


def test_lhotse_cuts_have_times_of_their_own(tmp_path: Path) -> None:
    put(tmp_path / "r.wav", 2.0)
    source = {"type": "file", "channels": [0], "source": "r.wav"}
    said = {"id": "s", "recording_id": "r", "start": 0.25, "duration": 0.5, "channel": 0, "text": "hi"}
    cut = {"id": "c", "start": 1.0, "duration": 1.0, "channel": 0, "type": "MonoCut", "supervisions": [said]}
    whole = {**cut, "recording": {"id": "r", "sources": [source], "sampling_rate": RATE_HZ}}
    write_gz(tmp_path / "cuts.jsonl.gz", whole, {**whole, "type": "MixedCut"}, {**whole, "supervisions": []})
    found = open_corpus(tmp_path)
    assert texts(found) == {"r_00001250-00001750.flac": "hi"}
    assert sum(isinstance(row, str) for row in lines(found)) == 2


def write_gz(path: Path, *rows: object) -> None:
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))


@pytest.mark.parametrize(
    "line", ["[1]", '"x"', "{", "[" * 100_000, '{"key": 1}', '{"key": "a", "text": 3}', "\\x"]
)
def test_hostile_lines_cost_one_row_each(tmp_path: Path, line: str) -> None:
    put(tmp_path / "a.wav")
    (tmp_path / "l.jsonl").write_text('{"key": "a.wav", "text": "a"}\n' + line + "\n")
    found = open_corpus(tmp_path / "l.jsonl")
    assert len(lines(found)) == 2
    assert isinstance(lines(found)[1], str)


def test_damaged_gzip_and_wrong_format_say_what_to_do(tmp_path: Path) -> None:
    whole = gzip.compress(b'{"supervisions": []}\n' * 100)
    (tmp_path / "cuts.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match="cannot be unpacked"):
        open_corpus(tmp_path)
    with pytest.raises(BadInput, match="does not look like mimic: expected audio_files"):
        open_corpus(tmp_path, Reading(format="mimic"))


def test_csv_with_absolute_paths_below_its_folder(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    (tmp_path / "manifest.csv").write_text(f"path,text,speaker,mic\n{tmp_path}/a.wav,hi,Ada,Shure\n")
    (row,) = lines(open_corpus(tmp_path))
    assert row == {"key": "a.wav", "text": "hi", "speaker": "Ada", "details": {"mic": "Shure"}}
