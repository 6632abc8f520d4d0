"""Data outlives software: the release under test goes on from a store that the first release left behind.

The store was left in the middle of its work: `scripts/make_store_fixture.py` tells what is in it.
"""

import hashlib
import json
import re
import signal
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from embedded_process import STOP_S, Outcome, up, voxloom_here, wait_until_up

from services.ingest.refusals import ReportLine
from services.optimizer.records import Decision, HypothesisLine
from services.trainer.checkpoint import Latest
from services.trainer.metrics import Metrics
from services.trainer.runs import RunRecord
from voxloom.bundle import Bundle, Export, ProductionPointer, load_bundle
from voxloom.jobs import JobRecord, Jobs, JobState
from voxloom.manifest import DatasetRecord, RawUtterance, ShardRow
from voxloom.record import Record, parse_lines, parse_model
from voxloom.storage import FolderStore, list_all
from voxloom.text import NORMALIZER_VERSION

pytestmark = pytest.mark.slow

ARCHIVE = Path(__file__).parents[1] / "data" / "store-0.1.tar.xz"
AN4 = Path(__file__).parents[2] / "examples" / "an4"
KINDS = ("import", "dataset", "train", "optimize")
SETTINGS = {
    "VOXLOOM_STORE": "",
    "VOXLOOM_BUS": "",
    "VOXLOOM_TRAIN_AUTO": "false",
    "VOXLOOM_RETRAIN_FIRST": "1000",
    "VOXLOOM_RETRAIN_NEW": "1000",
    "VOXLOOM_GATE_MAX_WER": "0.001",  # the run that goes on makes a model that must not take over
    "VOXLOOM_RECONCILE_PERIOD_S": "1",
}
DOCUMENTS: dict[str, type[Record]] = {
    r"raw/[^/]+/[^/]+/[^/]+\.json": RawUtterance,
    r"imports/[^/]+\.jsonl": ReportLine,
    r"manifests/[^/]+/dataset\.json": DatasetRecord,
    r"runs/[^/]+/run\.json": RunRecord,
    r"runs/[^/]+/metrics\.jsonl": Metrics,
    r"runs/[^/]+/checkpoints/latest\.json": Latest,
    r"runs/[^/]+/export/export\.json": Export,
    r"models/[^/]+/bundle\.json": Bundle,
    r"models/[^/]+/decision\.json": Decision,
    r"models/[^/]+/test_hypotheses\.jsonl": HypothesisLine,
    r"models/production\.json": ProductionPointer,
    r"jobs/[^/]+/[^/]+\.json": JobRecord,
}


@dataclass
class Life:
    """A store of the first release, what was in it, and what this release said while it lived on it."""

    data: Path
    heard: dict[str, str]
    before: dict[str, bytes]
    said: dict[str, Outcome] = field(default_factory=dict)

    @property
    def store(self) -> FolderStore:
        return FolderStore(self.data)

    def objects(self) -> dict[str, bytes]:
        store = self.store
        return {info.key: store.get(info.key) for info in list_all(store, "") if "/" in info.key}

    def ask(self, name: str, *arguments: str) -> Outcome:
        with pytest.MonkeyPatch.context() as patch:
            self.said[name] = voxloom_here(patch, *arguments, "--data", str(self.data))
        assert self.said[name].code == 0, self.said[name].err
        return self.said[name]

    def json_of(self, name: str) -> object:
        return json.loads(self.said[name].out)


def unpack(folder: Path) -> Life:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    life = Life(folder / "store", json.loads((folder / "expected.json").read_bytes())["heard"], {})
    life.before = life.objects()
    return life


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    folder = tmp_path_factory.mktemp("first-release")
    life = unpack(folder)
    with up(life.data, env=SETTINGS) as process:
        wait_until_up(life.data, process)
        wait_until_served(life)
        for number, key in enumerate(life.heard):
            life.ask(f"heard {number}", "transcribe", str(life.data / key), "--format", "json")
        look_around(life)
        bring_in_again(life, folder)
        life.ask("build", "dataset", "build", "--json")
        life.ask("alphabet", "text", "alphabet", "--dataset", "newest", "--json")
        wait_until_done(life)
        life.ask("runs", "runs", "list", "--json")
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0
    return life


def wait_until_served(life: Life) -> None:
    deadline = time.monotonic() + 60
    while (
        json.loads(life.ask("status", "status", "--json").out)["services"]["inference"]["health"] != "serving"
    ):
        assert time.monotonic() < deadline, (life.data / "voxloom.log").read_text()[-4000:]
        time.sleep(0.2)


def look_around(life: Life) -> None:
    for thing in ("dataset", "runs", "models"):
        life.ask(f"{thing} list", thing, "list", "--json")
        life.ask(f"{thing} show", thing, "show", "--json")


def bring_in_again(life: Life, folder: Path) -> None:
    """The corpus as it was but for its refusal, which makes it another upload, and one of the takes."""
    village = folder / "village"
    village.mkdir()
    texts = (AN4 / "manifest.tsv").read_text().splitlines()[1:]
    known = {row.split("\t")[0].rpartition("/")[2]: row.split("\t") for row in texts}
    lines = ["path\ttext\tspeaker\tsplit"]
    for raw in (document for document in raws(life.before) if document.corpus == "village"):
        path, text, speaker, *_ = known[raw.origin]
        (village / raw.origin).write_bytes((AN4 / path).read_bytes())
        lines.append("\t".join((raw.origin, text, speaker, str(raw.published_split))))
    (village / "manifest.tsv").write_text("\n".join(lines) + "\n")
    life.ask("import", "import", str(village), "--keep-split")
    key, take = next((key, raw) for key, raw in by_key(life.before).items() if raw.corpus == "own")
    wav = str(life.data / key.replace(".json", ".wav"))
    life.ask("take", "record", wav, "--text", take.text, "--speaker", take.speaker_name)


def wait_until_done(life: Life) -> None:
    """All that was under way, and the model of the run that goes on."""
    deadline = time.monotonic() + 240
    jobs = Jobs(life.store)
    while not (
        len(jobs.list("optimize")) == 2
        and all(job.state is JobState.DONE for kind in KINDS for job in jobs.list(kind))
    ):
        states = [(job.id, job.state, job.error) for kind in KINDS for job in jobs.list(kind)]
        assert time.monotonic() < deadline, states
        time.sleep(0.2)


def by_key(objects: dict[str, bytes]) -> dict[str, RawUtterance]:
    pattern = re.compile(r"raw/.*\.json")
    return {key: parse_model(key, data, RawUtterance) for key, data in objects.items() if pattern.match(key)}


def raws(objects: dict[str, bytes]) -> list[RawUtterance]:
    return list(by_key(objects).values())


def interrupted_run(life: Life) -> str:
    [run] = [
        record.id
        for key, data in life.before.items()
        if key.startswith("jobs/train/")
        and (record := parse_model(key, data, JobRecord)).state is JobState.RUNNING
    ]
    return run


def model_before(life: Life) -> str:
    key = "models/production.json"
    return parse_model(key, life.before[key], ProductionPointer).model


def test_it_is_small_enough_to_be_kept_for_ever() -> None:
    assert ARCHIVE.stat().st_size < 1_500_000


def test_every_document_of_the_first_release_is_read_and_says_its_version(tmp_path: Path) -> None:
    for key, data in unpack(tmp_path).before.items():
        if not key.endswith((".json", ".jsonl")):
            continue
        documents = data.splitlines() if key.endswith(".jsonl") else [data]
        assert all(json.loads(document)["schema_version"] >= 1 for document in documents), key
        [cls] = [cls for pattern, cls in DOCUMENTS.items() if re.fullmatch(pattern, key)]
        list(parse_lines(key, documents, cls))


def test_members_of_shards_are_read_and_say_their_version(tmp_path: Path) -> None:
    life = unpack(tmp_path)
    [shard] = [key for key in life.before if key.endswith("train-00000.tar")]
    with tarfile.open(life.data / shard) as archive:
        members = [member for member in archive if member.name.endswith(".json")]
        assert members
        for member in members:
            content = archive.extractfile(member)
            assert content is not None
            document = content.read()
            assert json.loads(document)["schema_version"] >= 1
            parse_model(member.name, document, ShardRow)


def test_it_serves_the_model_that_was_in_production_and_hears_what_it_heard(life: Life) -> None:
    assert life.heard
    for number, text in enumerate(life.heard.values()):
        found = life.json_of(f"heard {number}")
        assert isinstance(found, dict)
        assert (found["text"], found["model"]) == (text, model_before(life))
    assert load_bundle(life.store, model_before(life))


def test_what_was_made_is_listed_and_shown(life: Life) -> None:
    [dataset] = [key.split("/")[1] for key in life.before if key.endswith("/dataset.json")]
    runs = {key.split("/")[1] for key in life.before if key.endswith("/run.json")}
    assert [each["dataset"] for each in life.json_of("dataset list")] == [dataset]  # type: ignore[attr-defined]
    assert {each["run"] for each in life.json_of("runs list")} == runs  # type: ignore[attr-defined]
    models = {each["model"]: each["decision"] for each in life.json_of("models list")}  # type: ignore[attr-defined]
    assert models[model_before(life)] == "promoted"
    assert life.json_of("models show")["model"] == model_before(life)  # type: ignore[index]
    assert life.json_of("dataset show")["dropped_by_reason"] == {"import_unreadable_audio": 1}  # type: ignore[index]


def test_what_is_sent_again_is_known(life: Life) -> None:
    village = [raw for raw in raws(life.before) if raw.corpus == "village"]
    assert f"{len(village)} utterances imported, 0 refused" in life.said["import"].out
    assert len([raw for raw in raws(life.objects()) if raw.corpus == "village"]) == len(village)
    assert "the same take was there before" in life.said["take"].out


def test_the_interrupted_run_goes_on_from_its_checkpoint(life: Life) -> None:
    run = interrupted_run(life)
    saved = json.loads(life.before[f"runs/{run}/checkpoints/latest.json"])["counters"]
    assert saved["step"] > 100
    log = (life.data / "voxloom.log").read_text()
    assert re.findall(r"(?:resumes|begins) at epoch \d+, step \d+", log) == [
        f"resumes at epoch {saved['epoch']}, step {saved['step']}"
    ]
    states = {each["run"]: each["state"] for each in life.json_of("runs")}  # type: ignore[attr-defined]
    assert states[run] == "done"
    curve = life.before[f"runs/{run}/metrics.jsonl"].splitlines()
    kept = [line for line in curve if json.loads(line)["step"] <= saved["step"]]
    after = life.store.get(f"runs/{run}/metrics.jsonl").splitlines()
    assert len(after) > len(kept)
    for old, new in zip(kept, after, strict=False):  # today's lines say more
        assert json.loads(old).items() <= json.loads(new).items()


def test_the_accepted_import_is_done_and_its_clips_make_a_new_dataset(life: Life) -> None:
    later = [raw for raw in raws(life.objects()) if raw.corpus == "later"]
    assert len(later) == 2
    assert not [key for key in life.objects() if key.startswith("uploads/")]
    built = life.json_of("build")
    assert isinstance(built, dict)
    assert f"manifests/{built['dataset']}/dataset.json" not in life.before


def test_the_alphabet_of_the_new_dataset_is_read_through_the_service(life: Life) -> None:
    built, alphabet = life.json_of("build"), life.json_of("alphabet")
    assert isinstance(built, dict)
    assert isinstance(alphabet, dict)
    record = json.loads(life.store.get(f"manifests/{built['dataset']}/dataset.json"))
    assert record["normalizer_version"] == NORMALIZER_VERSION
    assert alphabet["texts"] == sum(split["utterances"] for split in record["splits"].values())
    assert set(record["alphabet"]) <= set(alphabet["alphabet"])


def test_nothing_else_was_altered(life: Life) -> None:
    """Jobs, the pointer and the run that went on have moved; the upload was taken in; records of recordings
    have got their fingerprints. All else stands."""
    moves = ("jobs/", "models/production.json", "uploads/", f"runs/{interrupted_run(life)}/")
    after = life.objects()
    kept = {key for key in life.before if not key.startswith(moves)}
    assert len(kept) > 30
    altered = {
        key for key in kept if key not in after or told(key, after[key]) != told(key, life.before[key])
    }
    assert altered == set()
    pointer = parse_model("p", after["models/production.json"], ProductionPointer)
    assert pointer.model == model_before(life)


def told(key: str, data: bytes) -> str:
    """By what two versions of an object are compared."""
    if re.fullmatch(r"raw/.*\.json", key):
        data = json.dumps(json.loads(data) | {"fingerprint": ""}, sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()
