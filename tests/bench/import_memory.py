"""What a worker of ingest holds in memory while it takes in a big tar: python tests/bench/import_memory.py

A real ingest process gets a tar of so many small clips over gRPC, made on the way by repetition, and takes
it in. Printed are the time and the most memory that the process ever held, against the limit of 400 MB.
"""

import argparse
import io
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from service_process import ServiceProcess
from voices import encoded, speech

from voxloom.v1 import ingest_pb2, ingest_pb2_grpc

LIMIT_MB = 400.0
DIFFERENT = 200  # clips; each comes back under other names
PART = 1 << 16


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, default=None, help="for the store, 30 kB a clip")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="voxloom-bench-", dir=args.folder))
    try:
        with ServiceProcess("ingest", folder / "store", retrain_first="10000000") as ingest:
            began = time.monotonic()
            job = taken_in(ingest_pb2_grpc.IngestServiceStub(ingest.channel), args.clips)
            seconds, most = time.monotonic() - began, peak_mb(ingest.process.pid)
    finally:
        shutil.rmtree(folder)
    assert job.state == ingest_pb2.JOB_STATE_DONE, job.error
    clips = job.accepted_utterances
    print(f"{clips} clips in {seconds:.0f} s, {clips / seconds:.0f} a second")
    print(f"peak memory of the process: {most:.0f} MB of {LIMIT_MB:.0f} MB, ratio {most / LIMIT_MB:.2f}")
    return 0


def taken_in(stub: ingest_pb2_grpc.IngestServiceStub, clips: int) -> ingest_pb2.Job:
    spec = ingest_pb2.ImportSpec(corpus="big", format=ingest_pb2.CORPUS_FORMAT_CSV)
    job = stub.ImportCorpus(requests(spec, clips))
    for update in stub.WatchJob(ingest_pb2.WatchJobRequest(id=job.id, kind=job.kind)):
        if update.message != job.message:
            print(f"\r{update.done} of {update.total}: {update.message}", end="", file=sys.stderr)
        job = update
    print(file=sys.stderr)
    return job


def requests(spec: ingest_pb2.ImportSpec, clips: int) -> Iterator[ingest_pb2.ImportCorpusRequest]:
    yield ingest_pb2.ImportCorpusRequest(spec=spec)
    block = bytearray()
    for piece in archive(clips):
        block += piece
        while len(block) >= PART:
            yield ingest_pb2.ImportCorpusRequest(tar=bytes(block[:PART]))
            del block[:PART]
    yield ingest_pb2.ImportCorpusRequest(tar=bytes(block))


def archive(clips: int) -> Iterator[bytes]:
    sounds = [encoded(speech(0.4, seed=seed), "FLAC") for seed in range(DIFFERENT)]
    rows = io.StringIO("path,text,speaker\n")
    rows.seek(0, io.SEEK_END)
    rows.writelines(f"clips/{number:07d}.flac,yes,s{number % 500}\n" for number in range(clips))
    yield member("manifest.csv", rows.getvalue().encode())
    for number in range(clips):
        yield member(f"clips/{number:07d}.flac", sounds[number % DIFFERENT])
    yield bytes(2 * tarfile.BLOCKSIZE)


def member(name: str, content: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info.tobuf() + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1000


if __name__ == "__main__":
    raise SystemExit(main())
