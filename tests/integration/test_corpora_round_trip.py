"""Real speech in, cut and whole, a dataset of it out in every format, and read again by us and by lhotse."""

import csv
import io
import json
import tarfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from embedded_process import Outcome, voxloom_here
from service_process import ServiceProcess

from voxloom.cli.opening import open_corpus
from voxloom.cli.packing import pack
from voxloom.corpora.writers import LAYOUTS
from voxloom.manifest import SPLITS, read_csv

pytestmark = pytest.mark.slow

Cli = Callable[..., Outcome]
AN4 = Path(__file__).parents[2] / "examples" / "an4"
SPEAKERS = 60


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpora") / "store"


@pytest.fixture(scope="module")
def ingest(store: Path) -> Iterator[str]:
    with ServiceProcess("ingest", store) as process:
        port = process.find(lambda line: "port" in line)["port"]
        yield f"127.0.0.1:{port}"


@pytest.fixture
def voxloom(monkeypatch: pytest.MonkeyPatch, ingest: str) -> Cli:
    monkeypatch.setenv("VOXLOOM_INGEST_ADDRESS", ingest)
    return partial(voxloom_here, monkeypatch)


def an4_rows() -> list[dict[str, str]]:
    """One clip of each of some speakers."""
    with open(AN4 / "manifest.tsv", encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        firsts = {row["speaker"]: row for row in rows if 4 <= len(row["text"].split()) <= 12}
    return list(firsts.values())[:SPEAKERS]


@pytest.fixture(scope="module")
def dataset(store: Path, ingest: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A JSONL of absolute keys elsewhere than its audio, with one missing file and one row that is none."""
    folder = tmp_path_factory.mktemp("jsonl")
    rows = [{"key": str(AN4 / r["path"]), "text": r["text"], "speaker": r["speaker"]} for r in an4_rows()]
    rows.append({"key": "gone.wav", "text": "gone", "speaker": "x"})
    lines = [json.dumps(row) for row in rows] + ["no json"]
    (folder / "list.jsonl").write_text("\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXLOOM_INGEST_ADDRESS", ingest)
        sent = voxloom_here(patch, "import", str(folder / "list.jsonl"), "--audio-root", str(AN4))
        assert sent.code == 0, sent
        assert f"{len(rows) - 1} utterances imported, 2 refused" in sent.out
        assert "audio_missing" in sent.out
        assert "bad_manifest_row" in sent.out
        assert voxloom_here(patch, "dataset", "build").code == 0
    (folder,) = (store / "manifests").iterdir()
    return folder.name


def stored(store: Path, dataset: str) -> dict[str, tuple[str, str, Any]]:
    """text, speaker and samples of every utterance, by its id, past all that is tested here."""
    found = {}
    for split in SPLITS:
        with open(store / "manifests" / dataset / f"{split}.csv", "rb") as file:
            for row in read_csv(file):
                samples, _ = soundfile.read(store / row.audio_key, dtype="int16")
                found[row.utterance] = (row.text, row.speaker, samples)
    return found


def read_again(path: Path) -> dict[str, tuple[str, str, Any]]:
    """The same through our reader, as it would be sent."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(pack(open_corpus(path)))), mode="r|") as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]
    rows = next(_rows(name, content) for name, content in members.items() if name.startswith("manifest"))
    return {
        Path(path).stem: (text, speaker, soundfile.read(io.BytesIO(members[path]), dtype="int16")[0])
        for path, text, speaker in rows
    }


def _rows(name: str, content: bytes) -> list[tuple[str, str, str]]:
    if name.endswith(".csv"):
        table = csv.DictReader(io.StringIO(content.decode()))
        return [(row["path"], row["text"], row["speaker"]) for row in table]
    parsed = [json.loads(line) for line in content.splitlines()]
    return [(row.get("key") or row["audio_filepath"], row["text"], row.get("speaker", "")) for row in parsed]


PLACES = {"nemo": [f"{s}_manifest.json" for s in SPLITS], "ljspeech": list(SPLITS)}


@pytest.mark.parametrize("fmt", LAYOUTS)
@pytest.mark.parametrize("audio", ["flac", "wav"])
def test_what_is_exported_is_read_again(
    voxloom: Cli, store: Path, dataset: str, tmp_path: Path, fmt: str, audio: str
) -> None:
    out = tmp_path / "out"
    done = voxloom("dataset", "export", "--format", fmt, "--audio", audio, "--out", str(out))
    assert done.code == 0, done
    wanted, found = stored(store, dataset), dict[str, tuple[str, str, Any]]()
    assert len(wanted) > SPEAKERS / 2
    for place in PLACES.get(fmt, [""]):
        if (out / place).exists():
            found |= read_again(out / place)
    assert set(found) == set(wanted)
    for utterance, (text, speaker, samples) in wanted.items():
        assert found[utterance][0] == text
        assert found[utterance][1] == ("" if fmt == "ljspeech" else speaker)
        np.testing.assert_array_equal(found[utterance][2], samples)


def test_an_export_goes_on_and_is_never_mixed_with_another(
    voxloom: Cli, dataset: str, tmp_path: Path
) -> None:
    out, command = tmp_path / "out", ("dataset", "export", "--split", "train", "--out", str(tmp_path / "out"))
    assert voxloom(*command).code == 0
    audio = sorted((out / "audio" / "train").iterdir())
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in audio}
    audio[0].unlink()
    (out / "manifest.csv").unlink()
    assert voxloom(*command).code == 0
    assert {path: path.read_bytes() for path in audio} == {path: data for path, (_, data) in before.items()}
    assert all(path.stat().st_mtime_ns == before[path][0] for path in audio[1:])
    other = voxloom(*command, "--format", "nemo")
    assert (other.code, other.err.count("\n")) == (1, 1)
    assert "holds another export" in other.err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    assert "is not empty" in voxloom("dataset", "export", "--out", str(tmp_path / "full")).err


def test_lhotse_loads_what_we_wrote(voxloom: Cli, store: Path, dataset: str, tmp_path: Path) -> None:
    assert voxloom("dataset", "export", "--format", "lhotse", "--out", str(tmp_path)).code == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lhotse import CutSet, RecordingSet, SupervisionSet

        wanted = stored(store, dataset)
        seen = 0
        for split in SPLITS:
            if not (tmp_path / f"voxloom_recordings_{split}.jsonl.gz").exists():
                continue
            recordings = RecordingSet.from_file(tmp_path / f"voxloom_recordings_{split}.jsonl.gz")
            supervisions = SupervisionSet.from_file(tmp_path / f"voxloom_supervisions_{split}.jsonl.gz")
            for cut in CutSet.from_manifests(recordings=recordings, supervisions=supervisions):
                (said,) = cut.supervisions
                text, speaker, samples = wanted[said.id]
                assert (said.text, said.speaker, said.custom["split"]) == (text, speaker, split)
                np.testing.assert_array_equal(np.rint(cut.load_audio()[0] * 32768).astype(int), samples)
                seen += 1
    assert seen == len(wanted)


def test_ljspeech_is_what_a_plain_reader_expects(voxloom: Cli, dataset: str, tmp_path: Path) -> None:
    done = voxloom(
        "dataset",
        "export",
        "--format",
        "ljspeech",
        "--audio",
        "wav",
        "--split",
        "train",
        "--out",
        str(tmp_path),
    )
    assert done.code == 0, done
    for line in (tmp_path / "train" / "metadata.csv").read_text().splitlines():
        name, raw, normalised = line.split("|")
        assert raw == normalised != ""
        assert soundfile.info(tmp_path / "train" / "wavs" / f"{name}.wav").subtype == "PCM_16"


def test_lhotse_cuts_come_back_through_our_reader(tmp_path: Path) -> None:
    """What lhotse itself writes, with times and channels of its own."""
    stereo = np.random.default_rng(0).integers(-9999, 9999, (32000, 2)).astype(np.int16)
    soundfile.write(tmp_path / "two.wav", stereo, 16000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lhotse import CutSet, MonoCut, Recording, SupervisionSegment

        said = SupervisionSegment("s", "two", start=0.25, duration=0.5, channel=1, text="hi", speaker="Ada")
        recording = Recording.from_file(tmp_path / "two.wav")
        cuts = [MonoCut("c", start=0.5, duration=1.0, channel=1, supervisions=[said], recording=recording)]
        CutSet.from_cuts(cuts).to_file(tmp_path / "cuts.jsonl.gz")
        wanted = cuts[0].trim_to_supervisions()[0].load_audio()[0]
    ((text, speaker, samples),) = read_again(tmp_path).values()
    assert (text, speaker) == ("hi", "Ada")
    np.testing.assert_array_equal(samples, np.rint(wanted * 32768).astype(int))


def long_recording(folder: Path, rows: list[dict[str, str]]) -> None:
    """Clips of AN4 one after the other with pauses, and all that is said as one text."""
    folder.mkdir()
    parts = [soundfile.read(AN4 / row["path"], dtype="float32")[0] for row in rows]
    silence = np.random.default_rng(0).normal(0, 3e-4, 12800).astype(np.float32)
    soundfile.write(
        folder / "talk.flac", np.concatenate([x for part in parts for x in (part, silence)]), 16000
    )
    (folder / "talk.txt").write_text(" ".join(f"{row['text'].capitalize()}." for row in rows))


def test_long_recordings_are_cut_on_the_way(voxloom: Cli, store: Path, tmp_path: Path) -> None:
    rows = an4_rows()[:20]
    long_recording(tmp_path / "talks", rows)
    refused = voxloom("import", str(tmp_path / "talks"), "--corpus", "uncut", "--max-refused", "1")
    assert "too_long" in refused.out
    done = voxloom("import", str(tmp_path / "talks"), "--cut", "--corpus", "talks", "--max-refused", "1")
    assert done.code == 0, done
    records = [json.loads(path.read_text()) for path in (store / "raw" / "imported").glob("talks-*/*.json")]
    assert records, done
    said = " ".join(f"{row['text'].capitalize()}." for row in rows)
    assert all(record["text"] in said and record["levels"]["duration_s"] <= 16 for record in records)
    assert {record["details"]["recording"] for record in records} == {"talk.flac"}


def test_cut_writes_what_import_takes(voxloom: Cli, tmp_path: Path) -> None:
    long_recording(tmp_path / "talks", an4_rows()[:20])
    talk, out = str(tmp_path / "talks" / "talk.flac"), tmp_path / "cut"
    done = voxloom("cut", talk, "--out", str(out), "--speaker", "Many")
    assert done.code == 0, done
    with open(out / "manifest.csv") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        whole, _ = soundfile.read(talk, dtype="int16")
        start, stop = (round(float(row[name]) * 16000) for name in ("start_s", "end_s"))
        np.testing.assert_array_equal(soundfile.read(out / row["path"], dtype="int16")[0], whole[start:stop])
    assert voxloom("import", str(out), "--corpus", "cut").code == 0
    again = voxloom("cut", talk, "--out", str(out))
    assert again.code == 1
    assert "may have been filled in by hand" in again.err
