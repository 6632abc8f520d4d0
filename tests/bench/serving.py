"""Inference as it is deployed, under load, beside its peers: python tests/bench/serving.py

Serves a network of `--recipe` with random weights, which babbles, or with `--store FOLDER --model ID` a real
bundle, in a process of its own over gRPC. Speech is examples/an4's test clips. Prints

  cold start  seconds from start to SERVING, and how many more than imports alone take (limit 2)
  one stream  real-time factor of one call after the other on one thread, beside sherpa-onnx's, in this
              process on one thread (limit: no more than that)
  offline     audio seconds a second with 8 calls at once on all processors, beside sherpa-onnx in this
              process in two ways (limit 1.2x), and torch, eager (limit 3x)
  swaps       20 changes of the model in production under 16 calls at once: failed calls (limit 0), memory
              afterwards to before (limit 1.1)
  replay      memory after an hour of audio to that after its first tenth (limit 1.1)

All of one run on one machine, in turn, `--rounds` times; medians. It wants an idle machine. `--only` takes
some of them.
"""

import argparse
import concurrent.futures
import itertools
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
import sherpa_onnx
from streaming import TOKENIZER, load_record, write_random

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from service_process import ServiceProcess, eventually

from voxloom import keys
from voxloom.audio import SAMPLE_RATE_HZ, Samples, decode, encode_wav
from voxloom.bundle import TOKENS, PointerEntry, ProductionPointer
from voxloom.cpus import cpu_count
from voxloom.features import fbank
from voxloom.storage import FolderStore, write_model
from voxloom.v1 import inference_pb2 as pb
from voxloom.v1.inference_pb2_grpc import InferenceServiceStub

ROOT = Path(__file__).parents[2]
NAME = "voxloom.v1.InferenceService"
PARTS = ("cold-start", "one-stream", "offline", "swaps", "replay")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="small")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--model", default="")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hours", type=float, default=1.0, help="of audio, replayed")
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    args = parser.parse_args()
    clips = [
        decode(path.read_bytes()).samples for path in sorted((ROOT / "examples/an4/test").glob("*.opus"))
    ]
    with tempfile.TemporaryDirectory() as scratch:
        root = args.store or Path(scratch) / "store"
        store = FolderStore(root)
        model = args.model or write_random(store, args.recipe, np.concatenate(clips))
        point_to(store, model)
        seconds = sum(map(len, clips)) / SAMPLE_RATE_HZ
        print(f"{len(clips)} clips, {seconds:.0f} s; {cpu_count()} processors")
        theirs = Sherpa(store, model, Path(scratch))
        parts: dict[str, Callable[[], None]] = {
            "cold-start": lambda: cold_start(root),
            "one-stream": lambda: one_stream(root, theirs, clips, args.rounds),
            "offline": lambda: offline(root, theirs, clips, args),
            "swaps": lambda: swaps(root, model, clips, args.swaps),
            "replay": lambda: replay(root, clips, args.hours),
        }
        for name in args.only:
            parts[name]()
    return 0


def point_to(store: FolderStore, model: str) -> None:
    entry = PointerEntry(model=model, at=datetime.now(UTC).isoformat(), why="bench")
    write_model(store, keys.PRODUCTION, ProductionPointer(model=model, history=[entry]))


@contextmanager
def serving(root: Path, threads: int) -> Iterator[ServiceProcess]:
    with ServiceProcess("inference", root, inference_threads=str(threads)) as process:
        eventually(lambda: process.health(NAME))
        yield process


def recogniser_of(process: ServiceProcess) -> Callable[[bytes], pb.RecognizeResponse]:
    stub = InferenceServiceStub(process.channel)
    return lambda wav: stub.Recognize(pb.RecognizeRequest(audio=wav), timeout=60)


class Sherpa:
    """sherpa-onnx's offline recogniser on the graph that is served."""

    def __init__(self, store: FolderStore, model: str, folder: Path) -> None:
        record = load_record(store, model)
        (folder / "model.onnx").write_bytes(store.get(keys.model_file(model, record.served_file)))
        (folder / "tokens.txt").write_bytes(store.get(keys.model_file(model, TOKENS)))
        self._folder = folder

    def load(self, threads: int) -> sherpa_onnx.OfflineRecognizer:
        return sherpa_onnx.OfflineRecognizer.from_zipformer_ctc(
            model=str(self._folder / "model.onnx"),
            tokens=str(self._folder / "tokens.txt"),
            num_threads=threads,
        )

    @staticmethod
    def hear(recogniser: sherpa_onnx.OfflineRecognizer, samples: Samples) -> str:
        stream = recogniser.create_stream()
        stream.accept_waveform(SAMPLE_RATE_HZ, samples)
        recogniser.decode_stream(stream)
        return str(stream.result.text)


def cold_start(root: Path) -> None:
    def imports() -> None:
        command = [sys.executable, "-c", "import services.inference.__main__"]
        subprocess.run(command, check=True, cwd=ROOT)

    def start() -> None:
        with serving(root, cpu_count()):
            started_s.append(time.perf_counter() - began_s)

    started_s: list[float] = []
    imported_s = []
    for _ in range(3):
        began_s = time.perf_counter()
        imports()
        imported_s.append(time.perf_counter() - began_s)
        began_s = time.perf_counter()
        start()
    whole_s, import_s = median(started_s), median(imported_s)
    print(
        f"cold start: SERVING after {whole_s:.2f} s; imports alone {import_s:.2f} s: "
        f"{whole_s - import_s:.2f} s more (limit 2)"
    )


def one_stream(root: Path, theirs: Sherpa, clips: list[Samples], rounds: int) -> None:
    chosen = clips[:40]
    recogniser = theirs.load(1)
    with serving(root, 1) as process:
        hear = recogniser_of(process)
        wavs = [encode_wav(clip) for clip in chosen]
        same = sum(
            hear(wav).text == Sherpa.hear(recogniser, clip) for wav, clip in zip(wavs, chosen, strict=True)
        )
        ours, other = paired(
            rounds,
            lambda: [hear(wav) for wav in wavs],
            lambda: [Sherpa.hear(recogniser, clip) for clip in chosen],
        )
    seconds = sum(map(len, chosen)) / SAMPLE_RATE_HZ
    print(
        f"one stream, one thread: RTF {ours / seconds:.4f}, sherpa-onnx {other / seconds:.4f}, "
        f"ratio {ours / other:.2f} (limit 1); same text {same} of {len(chosen)}"
    )


def offline(root: Path, theirs: Sherpa, clips: list[Samples], args: argparse.Namespace) -> None:
    threads = cpu_count()
    wavs = [encode_wav(clip) for clip in clips]
    one, many = theirs.load(1), theirs.load(threads)
    with (
        serving(root, threads) as process,
        concurrent.futures.ThreadPoolExecutor(8) as eight,
        concurrent.futures.ThreadPoolExecutor(threads) as pool,
    ):
        hear = recogniser_of(process)
        ways: list[Callable[[], object]] = [
            lambda: list(eight.map(hear, wavs)),
            lambda: list(pool.map(lambda clip: Sherpa.hear(one, clip), clips)),
            lambda: [Sherpa.hear(many, clip) for clip in clips],
        ]
        if not args.model:
            eager = torch_eager(args.recipe, clips)
            ways.append(lambda: [eager(clip) for clip in clips])
        taken = paired(args.rounds, *ways)
    seconds = sum(map(len, clips)) / SAMPLE_RATE_HZ
    ours, *others = [seconds / each for each in taken]
    print(f"offline, 8 calls at once: {ours:.0f} s/s")
    peers = [
        (f"sherpa-onnx, {threads} threads of one each", 1.2),
        (f"sherpa-onnx, one call on {threads} threads", 1.2),
        ("torch, eager", 3),
    ]
    for (name, limit), each in zip(peers, others, strict=False):
        print(f"  {name}: {each:.0f} s/s, we {ours / each:.2f}x (limit {limit:g})")


def torch_eager(recipe: str, clips: list[Samples]) -> Callable[[Samples], object]:
    import torch
    from babble import babbling

    network = babbling(TOKENIZER, np.concatenate(clips[:5]), recipe).eval()
    torch.set_num_threads(cpu_count())

    @torch.inference_mode()
    def hear(clip: Samples) -> object:
        log_mel_TF = torch.from_numpy(fbank(clip))
        return network(log_mel_TF[None], torch.tensor([len(log_mel_TF)]))[0].argmax(-1)

    return hear


def paired(rounds: int, *ways: Callable[[], object]) -> list[float]:
    """Median seconds of each, run in turn after one round that does not count."""
    found: list[list[float]] = [[] for _ in ways]
    for number in range(rounds + 1):
        for way, taken in zip(ways, found, strict=True):
            began_s = time.perf_counter()
            way()
            if number:
                taken.append(time.perf_counter() - began_s)
    return [median(taken) for taken in found]


def swaps(root: Path, model: str, clips: list[Samples], count: int) -> None:
    store = FolderStore(root)
    record = load_record(store, model)
    for name in record.files:
        store.put(keys.model_file("m-other", name), store.get(keys.model_file(model, name)))
    write_model(
        store, keys.model_file("m-other", "bundle.json"), record.model_copy(update={"model": "m-other"})
    )
    heard: list[str] = []
    failed: list[Exception] = []
    over = threading.Event()
    with serving(root, cpu_count()) as process:
        hear = recogniser_of(process)

        def call() -> None:
            for clip in itertools.cycle(clips):
                if over.is_set():
                    return
                try:
                    heard.append(hear(encode_wav(clip)).model)
                except Exception as error:  # noqa: BLE001 - each is counted
                    failed.append(error)

        callers = [threading.Thread(target=call) for _ in range(16)]
        for caller in callers:
            caller.start()
        time.sleep(5)
        before_mb, swapped = resident_mb(process), 0
        for name in itertools.islice(itertools.cycle(["m-other", model]), count):
            point_to(store, name)
            eventually(lambda name=name: heard[-1] == name)
            swapped += 1
            time.sleep(0.5)
        time.sleep(5)
        after_mb = resident_mb(process)
        over.set()
        for caller in callers:
            caller.join()
    point_to(store, model)
    print(
        f"{swapped} swaps under 16 calls at once: {len(heard)} calls, {len(failed)} failed (limit 0); memory "
        f"{before_mb:.0f} MB before, {after_mb:.0f} MB after, {after_mb / before_mb:.2f}x (limit 1.1)"
    )
    for error in failed[:3]:
        print(f"  {error}")


def replay(root: Path, clips: list[Samples], hours: float) -> None:
    wavs = [encode_wav(clip) for clip in clips]
    with serving(root, cpu_count()) as process, concurrent.futures.ThreadPoolExecutor(8) as eight:
        hear = recogniser_of(process)
        seconds = sum(map(len, clips)) / SAMPLE_RATE_HZ
        rounds = max(10, round(hours * 3600 / seconds))
        levels_mb = []
        began_s = time.perf_counter()
        for _ in range(rounds):
            list(eight.map(hear, wavs))
            levels_mb.append(resident_mb(process))
        taken_s = time.perf_counter() - began_s
    early_mb, late_mb = levels_mb[rounds // 10], levels_mb[-1]
    print(
        f"replay: {rounds * seconds / 3600:.2f} h in {taken_s:.0f} s; memory {early_mb:.0f} MB after a "
        f"tenth and {late_mb:.0f} MB at the end, {late_mb / early_mb:.2f}x (limit 1.1)"
    )


def resident_mb(process: ServiceProcess) -> float:
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1000


if __name__ == "__main__":
    raise SystemExit(main())
