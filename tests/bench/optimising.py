"""What smaller graphs are worth: python tests/bench/optimising.py [--store STORE --model MODEL]

  python tests/bench/optimising.py --graph 30m.onnx     # the graph is made there if it is missing
  python tests/bench/optimising.py --store voxloom-data/store --model m-1234 --corpus examples/an4

The first makes a graph of the trainer's network with random weights, 30 million of them, of the width of
recipe `base`, and from it those that the optimizer makes. It prints of each the bytes as a share of float32's
(limit of int8: 0.35) and how many times as fast it is (limit of int8: 1.5 at one thread): medians of runs in
turn, on noise of 1, 5 and 15 s, for each number of threads; of one thread its processor time, which other
work on the machine changes little. Static int8 is calibrated on that noise: only its speed counts here.

The second decodes the corpus' test split with the graphs of a bundle as that is served, and prints the points
of word errors that each loses against float32 (limit of int8: 0.1), with the interval of a paired bootstrap.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from services.optimizer import candidates, measure, quantize
from services.optimizer.candidates import Graphs
from services.optimizer.measure import Decoders, Recogniser
from services.optimizer.records import FP32, INT8
from services.optimizer.rules import ServeRules
from voxloom import audio, keys, wer
from voxloom.bundle import load_bundle
from voxloom.cpus import cpu_count
from voxloom.engine import Engine
from voxloom.features import Features, fbank
from voxloom.storage import FolderStore
from voxloom.text import normalize

_BLOCKS = 20  # of the width of `base`: 30 M parameters
_VOCABULARY = 30
_LENGTHS_S = (1.0, 5.0, 15.0)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--graph", type=Path, help="an exported graph; written there if it is missing")
    parser.add_argument("--blocks", type=int, default=_BLOCKS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, cpu_count()}))
    parser.add_argument("--store", type=Path, help="a folder store, for the second part")
    parser.add_argument("--model", help="of which to measure the word errors")
    parser.add_argument("--corpus", type=Path, default=Path("examples/an4"))
    args = parser.parse_args()
    if args.model:
        lost(args.store, args.model, args.corpus)
    else:
        graphs = candidates.make(exported(args.graph, args.blocks), noise(_LENGTHS_S), ServeRules(fp16=True))
        sizes(graphs)
        for threads in args.threads:
            speeds(graphs, threads, args.rounds)
    return 0


def exported(path: Path | None, blocks: int) -> bytes:
    """The trainer's network with random weights, as it hands it over."""
    if path and path.exists():
        return path.read_bytes()
    import torch

    from services.trainer.export import to_onnx
    from services.trainer.model import Recogniser as Network
    from services.trainer.model import count_parameters
    from services.trainer.recipes import named

    torch.manual_seed(0)
    network = Network(replace(named("base").model, blocks=blocks), _VOCABULARY).eval()
    print(f"{count_parameters(network) / 1e6:.1f} M parameters")
    graph = to_onnx(network)
    if path:
        path.write_bytes(graph)
    return graph


def noise(lengths_s: Sequence[float]) -> list[Features]:
    draw = np.random.default_rng(0)
    return [
        fbank(draw.normal(0, 0.1, round(length_s * audio.SAMPLE_RATE_HZ)).astype(np.float32))
        for length_s in lengths_s
    ]


def sizes(graphs: Graphs) -> None:
    fp32 = len(graphs.made[FP32])
    for name, graph in graphs.made.items():
        print(f"{name:24} {len(graph) / 1e6:7.1f} MB  {len(graph) / fp32:.2f}x the bytes of float32")


def speeds(graphs: Graphs, threads: int, rounds: int) -> None:
    engines = {name: Engine(graph, threads=threads) for name, graph in graphs.made.items()}
    for length_s, features_TF in zip(_LENGTHS_S, noise(_LENGTHS_S), strict=True):
        calls = {name: partial(each.log_probs, [features_TF]) for name, each in engines.items()}
        clock = time.thread_time if threads == 1 else time.perf_counter
        seconds = measure.in_turn(calls, rounds, clock)
        for name, times in seconds.items():
            ratio = median(fp32 / own for fp32, own in zip(seconds[FP32], times, strict=True))
            where = f"{length_s:4.0f} s, {threads} threads  {1000 * median(times):6.0f} ms"
            print(f"{name:24} {where}  {ratio:.2f} times as fast as float32", flush=True)


def lost(folder: Path, model: str, corpus: Path) -> None:
    store = FolderStore(folder)
    bundle = load_bundle(store, model)
    decoders = Decoders.of(bundle.record.decoding, bundle.tokenizer, bundle.language_model)
    graphs = {FP32: store.get(keys.model_file(model, FP32))}
    graphs[INT8] = quantize.quantise(graphs[FP32])
    graphs[bundle.record.served_file] = bundle.served_graph
    recognisers = {name: Recogniser(graph, decoders) for name, graph in graphs.items()}
    edits: dict[str, list[wer.Edits]] = {name: [] for name in graphs}
    for features_TF, reference in clips(corpus):
        for name, each in recognisers.items():
            edits[name].append(wer.word_edits(reference, normalize(each.hear(features_TF), "en")))
    for name, each_edits in edits.items():
        counts, paired = wer.total(each_edits), wer.paired_bootstrap(edits[FP32], each_edits)
        print(
            f"{name:24} WER {100 * counts.rate:.2f} % ({counts.errors} errors in {counts.reference} words), "
            f"{100 * paired.delta:+.2f} points ({100 * paired.low:+.2f} to {100 * paired.high:+.2f}), "
            f"{decoders.serves}"
        )


def clips(corpus: Path) -> list[tuple[Features, str]]:
    """The test split of a folder with manifest.tsv (path, text, split)."""
    lines = (corpus / "manifest.tsv").read_text(encoding="utf-8").splitlines()
    header = lines[0].split("\t")
    rows = [dict(zip(header, line.split("\t"), strict=True)) for line in lines[1:]]
    return [
        (fbank(audio.decode((corpus / row["path"]).read_bytes()).samples), normalize(row["text"], "en"))
        for row in rows
        if row["split"] == "test"
    ]


if __name__ == "__main__":
    raise SystemExit(main())
