"""What a decision says, for people: graphs, gate and pin as text; the page of a model is made of the same."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from voxloom.cli.output import percent, say, size, table, when
from voxloom.v1 import optimizer_pb2

DECODERS = {"greedy": "greedy", "beam": "with the language model"}
Row = tuple[object, ...]
GRAPHS_HEADER = ("", "graph", "size", "speed", "RTF", "WER", "latency", "why")
GROUPS_HEADER = (
    "group",
    "utterances",
    "words",
    "errors",
    "production",
    "difference",
    "interval",
    "p(better)",
)


@dataclass(frozen=True)
class Graph:
    """One graph of a decision, as it was measured; those that were not made are only named."""

    file: str
    size: int  # bytes
    served: bool
    speedup: float  # against float32; 0 if it was not measured
    rtf: float
    words: dict[str, Any]  # ErrorCounts
    latencies: dict[int, list[tuple[float, float]]]  # threads -> (s of audio, ms)
    verdict: str


def decision_of(model: optimizer_pb2.Model) -> dict[str, Any]:
    """decision.json; empty while there is none."""
    found: dict[str, Any] = json.loads(model.decision_json or "{}")
    return found


def graphs_of(model: optimizer_pb2.Model) -> list[Graph]:
    return [
        Graph(
            file=file,
            size=each["size"],
            served=file == model.served_file,
            speedup=each.get("speedup", 0.0),
            rtf=each["real_time_factor"],
            words=each["words"],
            latencies=_latencies(each.get("latencies", [])),
            verdict=each.get("verdict", ""),
        )
        for file, each in decision_of(model).get("artefacts", {}).items()
    ]


def not_made(model: optimizer_pb2.Model) -> dict[str, str]:
    """Graphs that were not made, and why."""
    return dict(decision_of(model).get("not_made", {}))


def graph_rows(model: optimizer_pb2.Model) -> Iterator[Row]:
    graphs = graphs_of(model)
    for each in graphs:
        mark = "*" if each.served else ""
        share = f"{size(each.size)} ({each.size / graphs[0].size:.2f}x)" if graphs[0].size else "-"
        speed = f"{each.speedup:.2f}x" if each.speedup else "-"
        rtf = f"{each.rtf:.2g}" if each.rtf else "-"
        wer = percent(each.words["rate"]) if each.words["reference"] else "-"
        yield (mark, each.file, share, speed, rtf, wer, _shortly(each), each.verdict)
    for file, why in not_made(model).items():
        yield ("", file, "-", "-", "-", "-", "-", f"not made: {why}")


def group_rows(model: optimizer_pb2.Model) -> Iterator[Row]:
    """The comparisons of the gate, in points of error rate."""
    for each in decision_of(model).get("comparisons", []):
        yield (
            each["group"],
            each["utterances"],
            each["reference"],
            each["candidate_errors"],
            each["production_errors"],
            f"{100 * each['delta']:+.2f}",
            f"{100 * each['low']:+.2f} to {100 * each['high']:+.2f}",
            f"{each['p_better']:.2f}",
        )


def confidence(model: optimizer_pb2.Model) -> float:
    """Of the intervals of the comparisons."""
    rules = decision_of(model).get("rules", {})
    return float(rules.get("gate", {}).get("confidence", 0.95))


def pin_note(model: optimizer_pb2.Model) -> str:
    if not model.pinned:
        return ""
    why = f" ({model.pinned_why})" if model.pinned_why else ""
    return f"pinned since {when(model.pinned_at)}{why}: nothing takes its place until voxloom models unpin"


def streaming_note(model: optimizer_pb2.Model) -> str:
    """How live speech is heard; empty for a model of a release that did not measure it."""
    found = decision_of(model).get("streaming")
    if not found:
        return ""
    file = found["served_file"] or "no graph of their own"
    return f"{file}, {percent(found['wer'])} against {percent(found['wer_whole'])} whole; {found['reason']}"


def tell_graphs_and_groups(model: optimizer_pb2.Model) -> None:
    decision = decision_of(model)
    if not decision:
        return
    say(f"graphs  measured on {decision['test']['utterances']} test utterances; * is served")
    table(GRAPHS_HEADER, graph_rows(model))
    if streaming := streaming_note(model):
        say(f"streams {streaming}")
    if rows := list(group_rows(model)):
        share = f"{100 * confidence(model):g} %"
        say(
            f"gate    against {decision['production']}, in points with the {share} interval, paired bootstrap"
        )
        table(GROUPS_HEADER, rows)
    say(f"word confidence  {confidence_note(model)}")


def confidence_note(model: optimizer_pb2.Model) -> str:
    """What a word's confidence is worth; empty while nothing was decided."""
    decision = decision_of(model)
    learned = json.loads(model.bundle_json or "{}").get("decoding", {}).get("confidence")
    told = (
        f"learned from {learned['words']} words of val, {learned['wrong']} of them wrong"
        if learned
        else "not calibrated: mean probabilities of letters, surer than they should be"
    )
    found = decision.get("confidence")
    measured = f"; on {found['words']} words of test {percent(found['error'])} off" if found else ""
    return f"{told}{measured}" if decision else ""


def reliability_rows(model: optimizer_pb2.Model) -> list[tuple[float, float, int]]:
    """Mean confidence, share right and number of words of each bin of the test set."""
    found = decision_of(model).get("confidence") or {}
    return [(each["confidence"], each["right"], each["words"]) for each in found.get("bins", [])]


def _latencies(found: list[dict[str, Any]]) -> dict[int, list[tuple[float, float]]]:
    by_threads: dict[int, list[tuple[float, float]]] = {}
    for each in found:
        by_threads.setdefault(each["threads"], []).append((each["audio_s"], 1000 * each["median_s"]))
    return by_threads


def _shortly(graph: Graph) -> str:
    """Of the longest audio, by threads: `15 s in 310/170 ms at 1/2 threads`."""
    if not graph.latencies:
        return "-"
    longest = max(audio_s for audio_s, _ in next(iter(graph.latencies.values())))
    times = "/".join(f"{points[-1][1]:.0f}" for points in graph.latencies.values())
    return f"{longest:g} s in {times} ms at {'/'.join(map(str, graph.latencies))} threads"
