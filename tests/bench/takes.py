"""How long a page of the list of takes takes, with 10,000 of them: python tests/bench/takes.py

A recorder process over a folder store, or with --s3 over the server of `scripts/services.sh env`, asked by
gRPC. The records are made beforehand; audio is never looked at. The lines:

  first page     of a recorder that has just started: every record is read once
  pages          of each filter, 50 calls, while the store is listed again behind their back every two
                 seconds; the limit is for the 95th percentile
  memory         of the process, after all that
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from service_process import ServiceProcess

from voxloom import keys
from voxloom.manifest import AudioLevels, RawUtterance, TakeQuality
from voxloom.record import to_document
from voxloom.reviews import Review, Reviews
from voxloom.storage import ObjectStore, open_store, write_model
from voxloom.v1 import recorder_pb2 as pb
from voxloom.v1 import recorder_pb2_grpc

LIMIT_MS, FIRST_LIMIT_S = 100.0, 60.0
CALLS = 50
WORDS = ("birch", "canoe", "slid", "smooth", "planks", "glue", "sheet", "dark", "blue", "background")
FILTERS: dict[str, dict[str, Any]] = {
    "all": {},
    "one speaker": {"speaker": "speaker-1"},
    "search": {"search": "CANOE blue"},
    "rejected": {"verdict": pb.VERDICT_REJECTED},
    "open, with a fault": {"verdict": pb.VERDICT_OPEN, "check": "any"},
    "one prompt": {"speaker": "speaker-1", "prompt_list": "english", "prompt_id": "p-7"},
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", type=int, default=10_000, help="takes")
    parser.add_argument("--speakers", type=int, default=4, help="who read them")
    parser.add_argument("--s3", action="store_true", help="over a real S3 server")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voxloom-bench-") as work:
        settings = s3() if arguments.s3 else {"store": Path(work).as_uri()}
        names = {"store": "url", "s3_access_key": "access_key", "s3_secret_key": "secret_key"}
        store = open_store(**{names[name]: value for name, value in settings.items()})
        began = time.perf_counter()
        fill(store, arguments.number, arguments.speakers)
        print(f"{arguments.number} records stored in {time.perf_counter() - began:.1f} s", flush=True)
        with ServiceProcess("recorder", **settings) as recorder:
            return measure(recorder, arguments.number)


def s3() -> dict[str, str]:
    """Settings with a prefix of its own."""
    bucket, _, query = os.environ["VOXLOOM_TEST_S3"].partition("?")
    return {
        "store": f"{bucket}/takes-{time.time_ns()}?{query}",
        "s3_access_key": os.environ["VOXLOOM_TEST_S3_ACCESS_KEY"],
        "s3_secret_key": os.environ["VOXLOOM_TEST_S3_SECRET_KEY"],
    }


def fill(store: ObjectStore, number: int, speakers: int) -> None:
    """Every seventh prompt read twice; a tenth judged. Empty objects stand for the audio."""
    objects: dict[str, bytes] = {}
    for index in range(number):
        take = record(index, f"speaker-{index % speakers}", index // speakers)
        objects[keys.raw_record(take.source, take.speaker, take.utterance)] = to_document(take)
        objects[keys.raw_audio(take.source, take.speaker, take.utterance)] = b""
        if len(objects) >= 1000:
            store.put_new(objects)
            objects.clear()
    store.put_new(objects)
    for index in range(speakers):
        judged = range(index, number, 10 * speakers)
        takes = {f"u-{each:020x}": Review(verdict="rejected", reason="noise", at="") for each in judged}
        name = f"speaker-{index}"
        write_model(store, keys.reviews(name), Reviews(speaker=name, takes=takes))


def record(index: int, speaker: str, prompt: int) -> RawUtterance:
    prompt -= prompt % 7 == 1
    levels = AudioLevels(
        duration_s=4.0,
        peak_dbfs=-6,
        rms_dbfs=-24,
        clipped_fraction=0,
        source_sample_rate_hz=48000,
        source_channels=1,
    )
    measured = dict.fromkeys(TakeQuality.model_fields, 1.0)
    return RawUtterance(
        utterance=f"u-{index:020x}",
        source="user_recorded",
        corpus="own",
        speaker=speaker,
        speaker_name=speaker,
        text=" ".join(WORDS[prompt // 10**place % 10] for place in range(6)),
        audio_sha256=f"{index:064x}",
        levels=levels,
        created_at=f"2026-01-{1 + index * 27 // 10_000_000:02d}T{index % 86_400_000:08d}",
        fingerprint="0" * 64,
        prompt_list="english",
        prompt_id=f"p-{prompt}",
        quality=TakeQuality(**measured),
        accepted_anyway=["noisy"] if index % 20 == 0 else [],
    )


def measure(recorder: ServiceProcess, number: int) -> int:
    stub = recorder_pb2_grpc.RecorderServiceStub(recorder.channel)  # type: ignore[no-untyped-call]
    began = time.perf_counter()
    assert stub.ListTakes(pb.ListTakesRequest(), timeout=600).total == number
    first_s = time.perf_counter() - began
    print(f"first page {first_s:10.2f} s   (limit {FIRST_LIMIT_S:g} s)")
    worst = 0.0
    for name, asked in FILTERS.items():
        p50, p95, total = times(stub, asked)
        print(f"{name:<20} p50 {p50:6.1f} ms   p95 {p95:6.1f} ms   of {total} takes (limit {LIMIT_MS:g} ms)")
        worst = max(worst, p95)
    with open(f"/proc/{recorder.process.pid}/status", encoding="ascii") as status:
        peak = next(line for line in status if line.startswith("VmHWM"))
    print(f"memory {int(peak.split()[1]) / 1024:.0f} MB")
    print(f"worst p95 to the limit: {worst / LIMIT_MS:.2f}")
    return 0 if worst < LIMIT_MS and first_s < FIRST_LIMIT_S else 1


def times(stub: Any, asked: dict[str, Any]) -> tuple[float, float, int]:
    """In ms; each call takes the page after the one before, as somebody who scrolls does."""
    taken, after, total = [], "", 0
    for _ in range(CALLS):
        began = time.perf_counter()
        page = stub.ListTakes(pb.ListTakesRequest(**asked, after=after), timeout=60)
        taken.append(1000 * (time.perf_counter() - began))
        after, total = page.next, page.total
        time.sleep(0.1)
    return statistics.median(taken), sorted(taken)[int(0.95 * CALLS)], total


if __name__ == "__main__":
    sys.exit(main())
