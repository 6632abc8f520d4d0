"""What people read of a model's decision: as text, and as a page that is whole and safe."""

import json
import re

import pytest
from test_dataset_html import EVIL, Page

from services.optimizer.catalogue import Entry
from services.optimizer.records import (
    FP16,
    FP32,
    INT8,
    Artefact,
    Comparison,
    Decision,
    ErrorCounts,
    Latency,
    ScoredUtterance,
    Speed,
    StreamingVerdict,
    TestSet,
)
from services.optimizer.servicer import to_message
from voxloom.bundle import Bundle, FileHash, Pin, ProductionPointer
from voxloom.cli import model_view
from voxloom.cli.model_html import page
from voxloom.record import parse_model
from voxloom.v1 import optimizer_pb2 as pb

WORDS = ErrorCounts(substitutions=50, reference=773, utterances=130, rate=0.065, low=0.05, high=0.08)


def artefact(file: str, size: int, speedup: float) -> Artefact:
    latencies = [
        Latency(threads=threads, audio_s=length, median_s=0.02 * length / speedup / threads)
        for threads in (1, 2)
        for length in (1.0, 15.0)
    ]
    return Artefact(
        file=file,
        sha256="0" * 64,
        size=size,
        real_time_factor=0.02 / speedup,
        words=WORDS,
        speedup=speedup,
        latencies=latencies,
        verdict=f"{speedup:.2f} times as fast, {EVIL}",
    )


def decision() -> Decision:
    """With what hostile corpora say in it."""
    return Decision(
        model="m-1",
        run="r-1",
        dataset="d-1",
        created_at="2026-11-29T10:00:00+00:00",
        outcome="promoted",
        reasons=[f"significantly better than m-0 {EVIL}"],
        production="m-0",
        served_file=INT8,
        served_reason="",
        test=TestSet(dataset="d-1", utterances=130, audio_s=357),
        artefacts={FP32: artefact(FP32, 74_000_000, 1.0), INT8: artefact(INT8, 19_000_000, 1.5)},
        not_made={FP16: f"for GPUs {EVIL}"},
        speed=Speed(clips=8, audio_s=30),
        comparisons=[
            Comparison(
                group="own voice",
                utterances=60,
                reference=300,
                candidate_errors=20,
                production_errors=35,
                delta=-0.05,
                low=-0.08,
                high=-0.02,
                p_better=1.0,
            )
        ],
        worst=[
            ScoredUtterance(utterance="u-1", source="imported", errors=3, reference=EVIL, hypothesis=EVIL)
        ],
    )


def message(made: Decision | None, pin: Pin | None = None) -> pb.Model:
    bundle = Bundle(
        model="m-1",
        run="r-1",
        dataset="d-1",
        created_at="2026-11-29T10:00:00+00:00",
        files={INT8: FileHash(sha256="0" * 64, size=19_000_000)},
        served_file=INT8,
        languages=["en"],
        normalizer_version=1,
        feature_version=1,
        subsampling=4,
        parameters=18_000_000,
        recipe="base",
    )
    return to_message(Entry(bundle, made), ProductionPointer(model="m-1", pin=pin))


def test_every_graph_is_a_row_and_the_served_one_is_marked() -> None:
    fp32, int8, fp16 = model_view.graph_rows(message(decision()))
    assert fp32[:6] == ("", FP32, "74.0 MB (1.00x)", "1.00x", "0.02", "6.5 %")
    assert int8[:6] == ("*", INT8, "19.0 MB (0.26x)", "1.50x", "0.013", "6.5 %")
    assert int8[6] == "15 s in 200/100 ms at 1/2 threads"
    assert fp16[1] == FP16
    assert str(fp16[-1]).startswith("not made: for GPUs")


def test_the_gate_is_told_by_group_in_points(capsys: pytest.CaptureFixture[str]) -> None:
    model_view.tell_graphs_and_groups(message(decision()))
    told = capsys.readouterr().out
    assert "against m-0, in points with the 95 % interval" in told
    assert re.search(r"own voice +60 +300 +20 +35 +-5\.00 +-8\.00 to -2\.00 +1\.00", told)
    assert "\x1b" not in told


def test_how_streams_are_heard_is_told() -> None:
    found = StreamingVerdict(served_file="streaming.onnx", reason="12 errors", wer=0.12, wer_whole=0.1)
    with_streams = decision().model_copy(update={"streaming": found})
    note = model_view.streaming_note(message(with_streams))
    assert note == "streaming.onnx, 12.0 % against 10.0 % whole; 12 errors"
    none = decision().model_copy(update={"streaming": found.model_copy(update={"served_file": ""})})
    assert model_view.streaming_note(message(none)).startswith("no graph of their own")
    assert model_view.streaming_note(message(decision())) == ""


def test_a_pin_is_told_with_its_reason() -> None:
    pinned = message(decision(), Pin(at="2026-11-29T10:00:00+00:00", why="until Sunday"))
    assert "(until Sunday)" in model_view.pin_note(pinned)
    assert "(until Sunday)" in page(pinned)
    assert model_view.pin_note(message(decision())) == ""


def test_a_model_without_a_decision_has_little_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    model_view.tell_graphs_and_groups(message(None))
    assert capsys.readouterr().out == ""
    assert "being measured" in page(message(None))


def test_the_page_is_whole_and_nothing_in_it_comes_alive() -> None:
    text = page(message(decision(), Pin(at=EVIL, why=EVIL)))
    found = Page(text)
    assert not {name for name, _ in found.tags} & {"script", "img", "link", "iframe", "object", "s"}
    assert not any(key.startswith("on") or key in ("src", "href") for _, attrs in found.tags for key in attrs)
    assert not re.search(r"url\(|@import|\x1b", text)


def test_the_page_is_readable_for_all() -> None:
    found = Page(page(message(decision())))
    plots = [svg for svg in found.all("svg") if svg.get("role") == "img"]
    assert len(plots) == 4  # word errors, sizes, latencies at one and at two threads
    assert all(plot["aria-label"] for plot in plots)
    assert len(found.all("caption")) == len(found.all("table")) == 3


def test_a_decision_of_the_first_version_is_told_as_well() -> None:
    """It knew two graphs, their times by name, and no reasons of each."""
    old = json.loads(decision().model_dump_json(exclude={"schema_version", "rules", "not_made"}))
    old["speed"] = {"clips": 8, "audio_s": 30, "fp32_s": 3.0, "int8_s": 2.0, "int8_speedup": 1.5}
    for each in old["artefacts"].values():
        for name in ("speedup", "latencies", "verdict"):
            del each[name]
    read = parse_model("models/m-1/decision.json", json.dumps(old), Decision)
    assert read.speed.seconds == {FP32: 3.0, INT8: 2.0}
    assert read.speed.speedups == {FP32: 1.0, INT8: 1.5}
    assert [row[3] for row in model_view.graph_rows(message(read))] == ["-", "-"]
    assert len(Page(page(message(read))).all("table")) == 3
