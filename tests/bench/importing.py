"""How fast clips are taken in, against decoding alone and against others: python tests/bench/importing.py

One core each, on the same MP3 clips (made of examples/an4 unless folders of others are given), rounds
interleaved, medians of the time by the clock and of the processor time; on a busy machine only the second
tells anything:

  decode       decode and resample to 16 kHz in memory, nothing else: the limit
  voxloom      the chunk worker of an import: decode, resample, check, write WAV and record to a folder store
  two workers  the same import by two processes on two cores, against one on one
  lhotse       lhotse: resample and save each recording as WAV, one job
  sox          one sox process a clip, as Coqui's import_cv2 does
"""

import argparse
import io
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from services.ingest.chunk import KIND as CHUNK
from services.ingest.chunk import ChunkWorker
from services.ingest.config import IngestConfig
from services.ingest.corpus import ImportSpec
from services.ingest.importer import KIND, Importer
from voxloom import audio
from voxloom.bus import MemoryBus
from voxloom.jobs import JobInterrupted, Jobs, JobState
from voxloom.storage import FolderStore

ROOT = Path(__file__).parents[2]
Measure = Callable[[list[Path], Path], "Cost"]


@dataclass(frozen=True)
class Cost:
    wall_s: float
    cpu_s: float  # of all processes that took part


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="*", type=Path, help="MP3 files, or folders of them")
    parser.add_argument("--number", type=int, default=1000, help="clips of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--work", type=Path, help="an empty folder on the disk to measure (default: a new one)"
    )
    args = parser.parse_args()
    # Nothing is deleted before the end: ext4 looks at each lately deleted file whenever it makes one.
    with tempfile.TemporaryDirectory(prefix="voxloom-bench-", dir=args.work) as work:
        clips = take(args.clips or made(Path(work), args.number), args.number)
        seconds = sum(audio.decode(path.read_bytes()).duration_s for path in clips)
        print(f"{len(clips)} clips, {seconds / 60:.1f} minutes of audio, medians of {args.rounds} rounds")
        report(measured(clips, Path(work), args.rounds), len(clips), seconds)
    return 0


def measured(clips: list[Path], work: Path, rounds: int) -> dict[str, Cost]:
    """Medians of each way; they take turns, so that a change of the machine's speed hits all alike."""
    ways: dict[str, Measure] = {
        "decode": on_one_core(decode),
        "voxloom": lambda clips, out: import_with(1, clips, out),
        "two workers": lambda clips, out: import_with(2, clips, out),
        "lhotse": on_one_core(lhotse_way),
    }
    if shutil.which("sox"):
        ways["sox"] = on_one_core(sox_way)
    found: dict[str, list[Cost]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            out = work / f"{name}-{number}"
            out.mkdir()
            found[name].append(way(clips, out))
    return {name: median(costs) for name, costs in found.items()}


def median(costs: list[Cost]) -> Cost:
    return Cost(
        statistics.median(each.wall_s for each in costs), statistics.median(each.cpu_s for each in costs)
    )


def report(costs: dict[str, Cost], clips: int, audio_s: float) -> None:
    for name, cost in costs.items():
        speed = f"{clips / cost.wall_s:7.0f} clips/s  {audio_s / cost.wall_s:7.0f} x real time"
        print(
            f"  {name:<12} {cost.wall_s:7.2f} s  {speed}  processor {1000 * cost.cpu_s / clips:6.2f} ms/clip"
        )
    alone, ours, both = costs["decode"], costs["voxloom"], costs["two workers"]
    print(
        f"voxloom to decoding alone, per core: {alone.wall_s / ours.wall_s:.2f} by the clock, "
        f"{alone.cpu_s / ours.cpu_s:.2f} by processor time (goal 0.80)"
    )
    print(
        f"two workers to one: {ours.wall_s / both.wall_s:.2f} by the clock (goal 1.70); "
        f"processor time of a clip, one to two: {ours.cpu_s / both.cpu_s:.2f}"
    )
    for peer in ("lhotse", "sox"):
        if peer in costs:
            wall, cpu = costs[peer].wall_s / ours.wall_s, costs[peer].cpu_s / ours.cpu_s
            print(f"voxloom to {peer}: {wall:.2f} by the clock, {cpu:.2f} by processor time")


def on_one_core(work: Measure) -> Measure:
    """In a process of its own, so that no thread pool of another way stays behind."""

    def measure(clips: list[Path], out: Path) -> Cost:
        with multiprocessing.get_context("fork").Pool(1, os.sched_setaffinity, (0, {0})) as pool:
            return pool.apply(work, (clips, out))

    return measure


def now() -> Cost:
    """This process and the children that it waited for, so far."""
    spent = os.times()
    return Cost(time.perf_counter(), sum(spent[:4]))


def since(began: Cost) -> Cost:
    ended = now()
    return Cost(ended.wall_s - began.wall_s, ended.cpu_s - began.cpu_s)


def decode(clips: list[Path], out: Path) -> Cost:
    data = [path.read_bytes() for path in clips]
    began = now()
    for each in data:
        audio.decode(each)
    return since(began)


def sox_way(clips: list[Path], out: Path) -> Cost:
    began = now()
    for path in clips:
        wav = str(out / f"{path.stem}.wav")
        command = ["sox", str(path), "-r", "16000", "-c", "1", "-b", "16", wav]
        subprocess.run(command, check=True, capture_output=True)
    return since(began)


def lhotse_way(clips: list[Path], out: Path) -> Cost:
    import torch
    from lhotse import Recording

    torch.set_num_threads(1)
    began = now()
    for path in clips:
        recording = Recording.from_file(path).resample(16000)
        recording.to_cut().save_audio(str(out / f"{path.stem}.wav"))
    return since(began)


def import_with(workers: int, clips: list[Path], out: Path) -> Cost:
    """The chunk jobs of one import by so many processes, each on a core of its own; listing comes first."""
    store = FolderStore(out / "store")
    plan(store, clips)
    jobs = Jobs(store)
    context = multiprocessing.get_context("fork")
    gate, spent = context.Barrier(workers + 1), context.SimpleQueue()
    processes = [context.Process(target=work_off, args=(store, core, gate, spent)) for core in range(workers)]
    for process in processes:
        process.start()
    gate.wait()
    began = time.perf_counter()
    for process in processes:
        process.join()
    taken = time.perf_counter() - began
    states = [(job.state, job.error) for job in jobs.list(CHUNK)]
    assert all(state is JobState.DONE for state, _ in states), states
    return Cost(taken, sum(spent.get() for _ in processes))


def work_off(store: FolderStore, core: int, gate: Any, spent: Any) -> None:
    os.sched_setaffinity(0, {core % os.cpu_count()})
    jobs, worker = Jobs(store), ChunkWorker(IngestConfig(ingest_threads=1), store)
    gate.wait()
    began = now()
    while lease := jobs.claim(CHUNK):
        with lease:
            lease.complete(worker.run(lease.record, lease))
    spent.put(since(began).cpu_s)


def plan(store: FolderStore, clips: list[Path]) -> None:
    """Uploads the clips and lists them, up to the point where the chunk jobs wait."""
    spec = ImportSpec(corpus="bench", format="csv", upload="uploads/bench.tar")
    store.put_stream(spec.upload, iter([packed(clips)]))
    jobs = Jobs(store)
    jobs.submit(KIND, "bench", spec.model_dump())
    lease = jobs.claim(KIND)
    assert lease is not None
    importer = Importer(IngestConfig(), store, MemoryBus(), jobs, lease.ask_to_stop)
    with lease, interrupted():
        importer.run(lease.record, lease)


@contextmanager
def interrupted() -> Iterator[None]:
    """The listing is done: what waits for the chunks is asked to stop."""
    with suppress(JobInterrupted):
        yield


def packed(clips: list[Path]) -> bytes:
    out = io.BytesIO()
    rows = [f"clips/{path.name},some words,s{index % 50}" for index, path in enumerate(clips)]
    files = {"manifest.csv": "\n".join(["path,text,speaker", *rows, ""]).encode()}
    files |= {f"clips/{path.name}": path.read_bytes() for path in clips}
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def take(given: list[Path], number: int) -> list[Path]:
    """So many files, repeated under other names if there are fewer."""
    found = [path for each in given for path in (sorted(each.rglob("*.mp3")) if each.is_dir() else [each])]
    if not found:
        sys.exit("no MP3 files there")
    return found[:number]


def made(work: Path, number: int) -> list[Path]:
    """AN4 at 32 kHz as MP3, two utterances to a clip, as long as those of Common Voice."""
    folder = work / "mp3"
    folder.mkdir()
    sources = sorted((ROOT / "examples" / "an4").rglob("*.opus"))
    paths = []
    for index in range(min(number, len(sources))):
        parts = [
            audio.decode(sources[(index + step) % len(sources)].read_bytes()).samples for step in range(2)
        ]
        sound = soxr.resample(np.concatenate(parts), audio.SAMPLE_RATE_HZ, 32000)
        paths.append(folder / f"clip-{index:05d}.mp3")
        soundfile.write(paths[-1], sound, 32000, format="MP3")
    return paths


if __name__ == "__main__":
    raise SystemExit(main())
