"""The pictures of a run: bounded, whole by themselves, and safe whatever transcripts say."""

import math
import re

import pytest
from report_maker import doubted, report_lines, suspects
from test_dataset_html import EVIL, Page

from voxloom.cli import run_show, run_suspects
from voxloom.cli.run_curves import Curve, curves_of, downsampled, sparkline
from voxloom.cli.run_html import marked, page
from voxloom.cli.run_plots import Bar, Series, intervals, lines
from voxloom.errors import BadInput, NotFound
from voxloom.run_report import RunSummary
from voxloom.run_summary import summarise
from voxloom.v1 import trainer_pb2 as pb


def metrics(epochs: int = 5, steps: int = 10) -> list[pb.RunMetrics]:
    found = []
    for epoch in range(epochs):
        for step in range(epoch * steps + 1, (epoch + 1) * steps + 1):
            found.append(pb.RunMetrics(step=step, steps_total=epochs * steps, epoch=epoch, loss=99 / step))
        rates = {
            name: pb.SourceErrors(wer=1 / (epoch + 1), cer=0.5, utterances=3) for name in ("imported", EVIL)
        }
        found.append(
            pb.RunMetrics(
                step=step,
                epoch=epoch + 1,
                val_wer=1 / (epoch + 1),
                val_cer=0.5,
                val_by_source=rates,
                examples=[pb.RunExample(reference=f"said {EVIL}", hypothesis=f"{epoch} {EVIL}")],
                message=EVIL,
            )
        )
    return found


def run() -> pb.Run:
    return pb.Run(
        id="r-1", dataset=EVIL, recipe=EVIL, recipe_reason=EVIL, error=EVIL, record_json='{"x": 1.0}'
    )


def summary() -> RunSummary:
    """With what hostile corpora call themselves and say."""
    evil = {"source": EVIL, "speaker": EVIL, "audio_key": EVIL, "reference": f"one {EVIL}"}
    found = list(report_lines(20))
    return summarise("r-1", [*found, found[0].model_copy(update={"utterance": "u-evil", **evil})])


def test_a_curve_stays_small_and_keeps_its_shape() -> None:
    curve = Curve()
    for step in range(100_000):
        curve.add(step, step)
    assert 1000 < len(curve.points) <= 2048
    assert curve.values == sorted(curve.values)
    assert curve.points[-1][0] > 99_000


def test_a_sparkline_shows_a_fall_and_where_it_diverged() -> None:
    falling = [(float(at), 100.0 - at) for at in range(100)]
    drawn = sparkline(falling, 8)
    assert len(drawn) == 8
    assert drawn in ("█▇▆▅▄▃▂▁", "#%*+=-._")
    assert sparkline([(0, 1.0), (1, math.nan), (2, 2.0)])[1] == "x"
    assert sparkline([]) == ""
    assert len(set(sparkline([(0, 3.0), (1, 3.0)]))) == 1


def test_what_is_drawn_for_many_points_is_their_means() -> None:
    points = [(float(at), float(at % 7)) for at in range(1000)]
    drawn = downsampled(points, 100)
    assert len(drawn) == 100
    assert sum(value for _, value in drawn) / 100 == pytest.approx(sum(value for _, value in points) / 1000)


def test_the_page_is_whole_and_nothing_in_it_comes_alive() -> None:
    evil = dict.fromkeys(("source", "speaker", "audio_key", "utterance"), EVIL)
    doubts = suspects(doubted(1, f"one {EVIL}", EVIL, **evil), doubted(2, "a", ""))
    text = page(run(), curves_of(metrics()), summary(), dict.fromkeys(("u-evil", EVIL), b"RIFF"), doubts)
    found = Page(text)
    names = {name for name, _ in found.tags}
    assert not names & {"script", "img", "link", "iframe", "object", "s"}
    for _, attributes in found.tags:
        assert not any(key.startswith("on") or key == "href" for key in attributes)
        assert (attributes.get("src") or "data:audio/wav;base64,").startswith("data:audio/wav;base64,")
    assert not re.search(r"url\(|@import|\x1b", text)


def test_the_page_is_readable_for_all() -> None:
    found = Page(page(run(), curves_of(metrics()), summary()))
    plots = [svg for svg in found.all("svg") if svg.get("role") == "img"]
    assert len(plots) == 9  # six curves, three groups
    assert all(plot["aria-label"] for plot in plots)
    assert len(found.all("caption")) == len(found.all("table"))
    assert all(head.get("scope") == "col" for head in found.all("th"))


def test_a_run_that_has_just_begun_has_a_page_too() -> None:
    assert "nothing was measured" in page(run(), curves_of([]), None)
    assert page(run(), curves_of(metrics(1, 1)), summarise("r-1", []))


@pytest.mark.parametrize(
    "values", [[1.0], [0.0, 0.0], [math.nan, 2.0], [1e-9, 1e9], [-1.0, 1e30], [5.0, math.inf]]
)
def test_no_plot_leaves_its_picture(values: list[float]) -> None:
    drawn = lines("t", "u", "x", [Series("s", [(float(at), value) for at, value in enumerate(values)])])
    numbers = [float(each) for each in re.findall(r"[ML](-?[\d.]+ -?[\d.]+)", drawn) for each in each.split()]
    assert numbers
    assert all(0 <= each <= 400 for each in numbers)
    assert not re.search(r"\bnan\b|\binf\b", drawn.partition("<svg")[2].partition(">")[2])


def test_intervals_are_drawn_where_there_are_some() -> None:
    drawn = intervals("t", [Bar("a", 3.0, 1.0, 5.0), Bar("b", 2.0, None, None)])
    assert drawn.count('class="line s0"') == 1
    assert drawn.count("<circle") == 2


def test_errors_are_marked_in_what_was_heard() -> None:
    assert marked("a b c", "a x c d") == "a <del>b</del> <ins>x</ins> c <ins>d</ins>"


def test_the_better_decoder_on_test_is_told_unless_another_is_asked_for() -> None:
    found = summary()
    chosen = run_show.choose(found)
    assert chosen is not None
    assert (chosen.split, chosen.decoder) == ("test", "lm")
    other = run_show.choose(found, "val", "greedy")
    assert other is not None
    assert (other.split, other.decoder) == ("val", "greedy")
    with pytest.raises(BadInput, match=r"has no train .*val greedy"):
        run_show.choose(found, "train")


def test_a_run_is_told_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    pieces = run()
    pieces.pieces = 500
    run_show.show(pieces)
    assert "writes  pieces of words, 500 at most" in capsys.readouterr().out
    run_show.show(run())
    run_show.show_settings(run())
    run_show.show_curves(curves_of(metrics()))
    run_show.show_report(summary(), "", "")
    told = capsys.readouterr().out
    assert "\x1b" not in told
    for part in (
        "x 1",
        "writes  characters",
        "val WER imported",
        "heard last",
        "by speaker",
        "most often mistaken",
        "worst utterances",
    ):
        assert part in told


def test_suspects_are_told_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    found = suspects(doubted(1, "stop", "no"), doubted(2, "go", ""))
    run_suspects.tell_count(found, "r-1")
    run_suspects.show_suspects(run_suspects.there(found, "r-1"), "r-1")
    told = capsys.readouterr().out
    written = page(run(), curves_of(metrics()), summary(), None, found)
    for part in (
        "9 of 100 transcripts",
        "2 with the highest scores",
        "2 too fast for ctc",
        "voxloom runs listen r-1 --suspects 2",
        "voxloom forget --utterance u-train-1 --utterance u-train-2",
        "raw/commonvoice/s1/u-test-1.wav",
        "speaker s1",
        "stop",
        "(nothing)",
    ):
        assert part in told
        assert part in written
    with pytest.raises(NotFound, match="run r-1 has no list"):
        run_suspects.there(None, "r-1")
    run_suspects.tell_count(suspects().model_copy(update={"found": 0}), "r-1")
    assert capsys.readouterr().out == ""
