"""Streams in real time, and what they cost: python tests/bench/streaming.py --streams 40 --seconds 30

Serves a network of `--recipe` with random weights, which babbles, or with `--store FOLDER --model ID` a real
bundle. Speech is examples/an4, one clip after another. Prints

  cost       processor seconds for a second of audio of one stream, from 10 s to --longest: without and with
             interim results, the ratio of the longest to the shortest (1: linear), and the ratio to what
             sherpa-onnx's online recogniser takes for the same graph in the same run
  same text  whether sherpa-onnx hears what we hear, greedy
  real time  --streams at once, 100 ms of audio at a time, on --threads worker threads: milliseconds from when
             a piece of audio was due until the result that it brought was there, p50, p95 and p99, and
             how busy the processors were; --limit-ms fails the run when p99 is over it

Cost is time of the processor, which other work changes little. Real time wants an idle machine.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import sherpa_onnx

from services.inference.models import ServedModel, load
from services.inference.pool import Pool
from services.inference.recognize import Pcm16
from services.inference.streaming import Pace, StreamTranscriber
from voxloom import keys
from voxloom.audio import SAMPLE_RATE_HZ, Samples, decode
from voxloom.bundle import STREAMING, TOKENS, Bundle, Streaming, hash_bytes, write_bundle
from voxloom.decode import greedy
from voxloom.features import FEATURE_VERSION, fbank
from voxloom.storage import FolderStore
from voxloom.text import NORMALIZER_VERSION
from voxloom.tokenizer import CharTokenizer

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

ROOT = Path(__file__).parents[2]
PIECE = SAMPLE_RATE_HZ // 10
PACE = Pace.of(interim_s=0.3, pause_s=1.2)
TOKENIZER = CharTokenizer.from_alphabet(" abcdefghijklmnopqrstuvwxyz'")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="small")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--model", default="")
    parser.add_argument("--streams", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=30.0, help="of the streams in real time; 0: none")
    parser.add_argument("--longest", type=int, default=600, help="seconds of the longest stream's audio")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit-ms", type=float, default=0.0)
    args = parser.parse_args()
    speech = np.concatenate([decode(clip.read_bytes()).samples for clip in clips()])
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(args.store or Path(folder))
        model = args.model or write_random(store, args.recipe, speech)
        served, graph = load(store, model), graph_of(store, model)
        costs(served, sherpa(graph, store, model, Path(folder)), speech, args.longest)
        p99_ms = in_real_time(served, speech, args) if args.seconds else 0.0
    return int(bool(args.limit_ms) and p99_ms > args.limit_ms)


def clips() -> list[Path]:
    return sorted((ROOT / "examples/an4/test").glob("*.opus"))[:20]


def write_random(store: FolderStore, recipe: str, speech: Samples) -> str:
    from babble import babbling

    from services.trainer.export import to_onnx
    from services.trainer.model import count_parameters
    from services.trainer.streaming_export import CHUNK, streaming_graph

    network = babbling(TOKENIZER, speech[: 10 * SAMPLE_RATE_HZ], recipe)
    tokens = TOKENIZER.to_tokens_txt().encode()
    files = {"model.onnx": to_onnx(network), STREAMING: streaming_graph(network), TOKENS: tokens}
    for name, data in files.items():
        store.put(keys.model_file("m-random", name), data)
    bundle = Bundle(
        model="m-random",
        run="r",
        dataset="d",
        created_at=datetime.now(UTC).isoformat(),
        files={name: hash_bytes(data) for name, data in files.items()},
        served_file="model.onnx",
        languages=["en"],
        normalizer_version=NORMALIZER_VERSION,
        feature_version=FEATURE_VERSION,
        subsampling=4,
        parameters=count_parameters(network),
        recipe=recipe,
        streaming=Streaming(file=STREAMING, chunk_ms=40 * CHUNK, wer=0.0, wer_whole=0.0),
    )
    write_bundle(store, bundle)
    print(f"{recipe}, {bundle.parameters / 1e6:.1f} million random weights")
    return "m-random"


def graph_of(store: FolderStore, model: str) -> bytes:
    record = load_record(store, model)
    if record.streaming is None:
        raise SystemExit(f"{model} has no streaming graph")
    return store.get(keys.model_file(model, record.streaming.file))


def load_record(store: FolderStore, model: str) -> Bundle:
    return Bundle.model_validate_json(store.get(keys.model_file(model, "bundle.json")))


def sherpa(graph: bytes, store: FolderStore, model: str, folder: Path) -> sherpa_onnx.OnlineRecognizer:
    (folder / "graph.onnx").write_bytes(graph)
    (folder / "graph.txt").write_bytes(store.get(keys.model_file(model, TOKENS)))
    return sherpa_onnx.OnlineRecognizer.from_zipformer2_ctc(
        tokens=str(folder / "graph.txt"), model=str(folder / "graph.onnx"), num_threads=1
    )


def costs(served: ServedModel, theirs: sherpa_onnx.OnlineRecognizer, speech: Samples, longest: int) -> None:
    lengths = [length for length in (10, 60, 600) if length < longest] + [longest]
    ways: dict[str, Callable[[Samples], object]] = {
        "without interim results": lambda samples: transcribe(served, samples, False),
        "with interim results": lambda samples: transcribe(served, samples, True),
        "sherpa-onnx": lambda samples: sherpa_text(theirs, samples),
    }
    for hear in ways.values():
        hear(take(speech, 5))
    found = {name: [cost(hear, take(speech, length)) for length in lengths] for name, hear in ways.items()}
    print(
        f"{'cost':24} {' '.join(f'{length:>7} s' for length in lengths)}   longest/shortest  to sherpa-onnx"
    )
    for name, each in found.items():
        figures = " ".join(f"{one:9.4f}" for one in each)
        ratio = each[-1] / found["sherpa-onnx"][-1]
        print(f"{name:24} {figures}   {each[-1] / each[0]:16.2f}  {ratio:14.2f}")
    assert served.live
    whole = take(speech, 60)
    [log_probs_TV] = served.live.log_probs([fbank(whole)])
    ours = greedy(log_probs_TV[: len(log_probs_TV) // 32 * 32], served.tokenizer).text.split()
    text = sherpa_text(theirs, whole).split()
    same = text[: len(ours) - 1] == ours[:-1]
    print(f"same text on 60 s, {len(ours)} words: {'yes' if same else 'NO'}")


def take(speech: Samples, seconds: int) -> Samples:
    return np.resize(speech, seconds * SAMPLE_RATE_HZ)


def cost(hear: Callable[[Samples], object], samples: Samples) -> float:
    """Processor seconds of this process, threads of onnxruntime among them, for a second of audio."""
    repeats = max(1, 30 * SAMPLE_RATE_HZ // len(samples))
    began_s = time.process_time()
    for _ in range(repeats):
        hear(samples)
    return (time.process_time() - began_s) / (repeats * len(samples) / SAMPLE_RATE_HZ)


def transcribe(served: ServedModel, samples: Samples, interim: bool) -> None:
    async def work() -> None:
        pool = Pool(threads=1, max_calls=1, max_streams=1)
        try:
            stream = StreamTranscriber(
                served, pool, Pcm16(SAMPLE_RATE_HZ, 1), interim, PACE, clock=lambda: 0.0
            )
            for piece in pieces(samples):
                async for _ in stream.push(piece):
                    pass
            async for _ in stream.finish():
                pass
        finally:
            pool.close()

    asyncio.run(work())


def pieces(samples: Samples) -> Iterator[bytes]:
    for at in range(0, len(samples), PIECE):
        yield (samples[at : at + PIECE] * 32767).astype("<i2").tobytes()


def sherpa_text(recogniser: sherpa_onnx.OnlineRecognizer, samples: Samples) -> str:
    stream = recogniser.create_stream()
    for at in range(0, len(samples), PIECE):
        stream.accept_waveform(SAMPLE_RATE_HZ, samples[at : at + PIECE])
        while recogniser.is_ready(stream):
            recogniser.decode_stream(stream)
    return str(recogniser.get_result(stream))


def in_real_time(served: ServedModel, speech: Samples, args: argparse.Namespace) -> float:
    """p99 in milliseconds."""
    waits_ms: list[float] = []
    pool = Pool(args.threads, max_calls=1, max_streams=args.streams)

    async def one(number: int) -> None:
        stream = StreamTranscriber(served, pool, Pcm16(SAMPLE_RATE_HZ, 1), True, PACE)
        samples = take(np.roll(speech, -number * 7 * SAMPLE_RATE_HZ), int(args.seconds))
        await asyncio.sleep(number * 0.1 / args.streams)
        began_s = time.perf_counter()
        for count, piece in enumerate(pieces(samples), start=1):
            due_s = began_s + count * PIECE / SAMPLE_RATE_HZ
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            async for _ in stream.push(piece):
                waits_ms.append(1000 * (time.perf_counter() - due_s))

    async def all_of_them() -> None:
        await asyncio.gather(*map(one, range(args.streams)))

    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    try:
        asyncio.run(all_of_them())
    finally:
        pool.close()
    busy = (time.process_time() - began_cpu_s) / (time.perf_counter() - began_s)
    p50, p95, p99 = np.percentile(waits_ms, [50, 95, 99])
    print(
        f"real time: {args.streams} streams on {args.threads} threads, {len(waits_ms)} results; "
        f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, p99 {p99:.0f} ms; {busy:.2f} processors busy"
    )
    return float(p99)


if __name__ == "__main__":
    raise SystemExit(main())
