"""Makes tests/data/store-<release>.tar.xz: a small store of this release, by the very code of this release.

    PYTHONPATH=. python scripts/make_store_fixture.py

It is kept once its release is out: every later one goes on from it. In it are own recordings, an imported
corpus with a refusal, a dataset, a finished run with its promoted model, a run that was killed in the middle,
and an import that was accepted and not begun. Not in it is what is no object of a store: logs, locks, the
list of events. The names of hosts in job records are replaced. `expected.json` tells what the model heard.
"""

import io
import json
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "helpers")]

from embedded_process import Outcome, up, voxloom, wait_until_up  # noqa: E402

from services.ingest import messages, uploads  # noqa: E402
from services.trainer import recipes, runs  # noqa: E402
from voxloom import __version__, audio, keys  # noqa: E402
from voxloom.cli.corpus import read_corpus  # noqa: E402
from voxloom.cli.packing import pack  # noqa: E402
from voxloom.job_lease import job_key  # noqa: E402
from voxloom.jobs import Jobs, JobState  # noqa: E402
from voxloom.storage import FolderStore, list_all, write_model  # noqa: E402
from voxloom.v1 import ingest_pb2  # noqa: E402

AN4 = ROOT / "examples" / "an4"
TARGET = ROOT / "tests" / "data" / f"store-{__version__.rpartition('.')[0]}.tar.xz"
SETTINGS = {
    "VOXLOOM_STORE": "",
    "VOXLOOM_BUS": "",
    "VOXLOOM_TRAIN_AUTO": "false",
    "VOXLOOM_TRAIN_CHECKPOINT_S": "0.5",
    "VOXLOOM_GATE_MAX_WER": "100",
    "VOXLOOM_RETRAIN_FIRST": "1000",
    "VOXLOOM_RECONCILE_PERIOD_S": "1",
    "VOXLOOM_JOB_LEASE_S": "2",
}
# Hardly larger than what learns ten words by heart: the store has to fit into the repository.
RECIPE = replace(
    recipes.RECIPES["smoke"],
    name="fixture",
    model=recipes.ModelConfig(
        width=24,
        blocks=1,
        heads=2,
        feed_forward=2,
        kernel=7,
        front_channels=4,
        dropout=0.0,
        intermediate_block=0,
    ),
    epochs=400,
    batch_s=4.0,
    learning_rate=5e-3,
    warmup_steps=20,
    ema_decay=0.98,
    speeds=(1.0,),
    patience_epochs=10_000,
)
TAKES = {"cen3-fjdn-b": "Thirty three", "cen3-mwhw-b": "One fifty", "an318-mkdb-b": "Enter four"}
TRAIN = ("an218-mjgk-b", "an24-flrp-b", "an277-msmn-b", "an200-mgah-b", "an369-mtos-b", "an247-mjbh-b")
VAL, TEST = ("an72-mrab-b",), ("an443-mmxg-b", "an409-fcaw-b")
LATER = ("an34-mtje-b", "an127-mcen-b")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "store"
        village = make_corpus(
            Path(folder) / "village", {"train": TRAIN, "val": VAL, "test": TEST}, lost="gone"
        )
        with up(data, env=SETTINGS) as process:
            wait_until_up(data, process)
            record_takes(data, Path(folder))
            told(voxloom("import", str(village), "--keep-split", "--max-refused", "0.2", "--data", str(data)))
            told(voxloom("dataset", "build", "--data", str(data)))
            train(data, seed=1)
            wait_for(lambda: (data / keys.PRODUCTION).exists() and are_done(data))
            heard = transcribe(data)
            train(data, seed=2)
            wait_for(lambda: steps_saved(data) > 300)
            process.kill()
            process.wait()
        accept_import(data, make_corpus(Path(folder) / "later", {"train": LATER}))
        hide_hosts(data)
        write_archive(FolderStore(data), heard)
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size} bytes; {heard}")


def make_corpus(folder: Path, splits: Mapping[str, tuple[str, ...]], lost: str = "") -> Path:
    """Clips of AN4 with a manifest; `lost` is a row whose audio cannot be read."""
    folder.mkdir()
    rows = (line.split("\t") for line in (AN4 / "manifest.tsv").read_text().splitlines()[1:])
    known = {Path(path).stem: (AN4 / path, text, speaker) for path, text, speaker, *_ in rows}
    lines = ["path\ttext\tspeaker\tsplit"]
    for split, names in splits.items():
        for name in names:
            source, text, speaker = known[name]
            (folder / source.name).write_bytes(source.read_bytes())
            lines.append("\t".join((source.name, text, speaker, split)))
    if lost:
        (folder / f"{lost}.opus").write_bytes(b"")
        lines.append(f"{lost}.opus\tLOST\tnobody\ttrain")
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return folder


def record_takes(data: Path, folder: Path) -> None:
    for name, text in TAKES.items():
        samples = audio.decode((AN4 / "train" / f"{name}.opus").read_bytes()).samples
        take = folder / f"{name}.wav"
        take.write_bytes(audio.encode_wav(samples))
        told(voxloom("record", str(take), "--text", text, "--speaker", "Ada", "--data", str(data)))


def train(data: Path, seed: int) -> None:
    """What `StartRun` does, with a recipe that no release offers."""
    store = FolderStore(data)
    recipes.RECIPES[RECIPE.name] = RECIPE
    runs.submit(store, Jobs(store), runs.find_dataset(store, ""), RECIPE.name, seed, 0.0)


def transcribe(data: Path) -> dict[str, str]:
    """What the model hears in the own recordings, by key, of those that it knows by heart."""
    wavs = (
        info.key for info in list_all(FolderStore(data), keys.RAW + "user_recorded/") if "wav" in info.key
    )
    heard = {}
    for key in wavs:
        out = told(voxloom("transcribe", str(data / key), "--format", "json", "--data", str(data)))
        heard[key] = str(json.loads(out)["text"])
    known = {key: text for key, text in heard.items() if text in map(str.lower, TAKES.values())}
    if not known:
        raise SystemExit(f"the model has learned nothing: {heard}")
    return known


def accept_import(data: Path, folder: Path) -> None:
    """What `ImportCorpus` does; the services are down, so nobody takes the job."""
    store = FolderStore(data)
    key, digest = uploads.receive(store, pack(read_corpus(folder)), 1 << 30)
    wish = ingest_pb2.ImportSpec(corpus="later", format=ingest_pb2.CORPUS_FORMAT_CSV)
    uploads.accept(store, Jobs(store), messages.import_spec(wish), key, digest)


def hide_hosts(data: Path) -> None:
    """Workers are named after their machine, which is nobody's business and means nothing here."""
    store = FolderStore(data)
    for job in all_jobs(data):
        if job.owner:
            owner = f"first-release-{job.owner.rpartition('-')[2]}"
            write_model(store, job_key(job.kind, job.id), job.model_copy(update={"owner": owner}))


def write_archive(store: FolderStore, heard: dict[str, str]) -> None:
    TARGET.parent.mkdir(exist_ok=True)
    with tarfile.open(TARGET, "w:xz", preset=9) as archive:
        add(archive, "expected.json", json.dumps({"heard": heard}, indent=2).encode())
        for info in list_all(store, ""):
            if "/" in info.key:  # what lies at the top is no object: voxloom.log, events.jsonl
                add(archive, f"store/{info.key}", store.get(info.key))


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def told(outcome: Outcome) -> str:
    if outcome.code:
        raise SystemExit(f"{outcome.out}\n{outcome.err}")
    return outcome.out


def all_jobs(data: Path) -> Iterator[Any]:
    for kind in ("import", "dataset", "train", "optimize"):
        yield from Jobs(FolderStore(data)).list(kind)


def are_done(data: Path) -> bool:
    return all(job.state is JobState.DONE for job in all_jobs(data))


def steps_saved(data: Path) -> int:
    for latest in data.glob("runs/*-s2/checkpoints/latest.json"):
        return int(json.loads(latest.read_bytes())["counters"]["step"])
    return 0


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 180
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("waited in vain")
        time.sleep(0.02)


if __name__ == "__main__":
    main()
