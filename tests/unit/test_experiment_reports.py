"""What an experiment trains on, and what is said of it: a sentence, tables, a page."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from voxloom import learning_curve, wer
from voxloom.cli import experiment_ablation as ablation
from voxloom.cli import experiment_arms as arms
from voxloom.cli import experiment_forecast as foretelling
from voxloom.cli.experiment import Built, Pace
from voxloom.cli.experiment_plot import text_plot
from voxloom.cli.experiment_scores import Comparison, Lines, ScoredLine, compare, in_all
from voxloom.cli.forecast import _parts
from voxloom.cli.mixes import read_mix
from voxloom.errors import BadInput, NotReady
from voxloom.mix import FOLDERS, Mix, Share
from voxloom.record import parse_model

HOSTILE = "<script>alert(1)</script>"
WORDS = ("one", "two", "three", "four")


def test_the_arms_are_what_there_is_data_for_and_the_rest_has_a_reason() -> None:
    plan = arms.standard({"own": 500, "tts": 100})
    assert [mix.name for mix in plan.mixes] == ["own-only", "own+tts"]
    assert plan.left_out.keys() == {"own+commonvoice", "hybrid"}
    assert "voxloom import commonvoice" in plan.left_out["hybrid"]
    whole = arms.standard({"own": 500, "tts": 100, "commonvoice": 9, "imported": 5})
    assert [mix.name for mix in whole.mixes][2:] == ["own+commonvoice", "hybrid", "everything"]
    assert arms.standard({"imported": 5, "tts": 1}).baseline == "imported-only"
    with pytest.raises(NotReady, match="voxloom tts"):
        arms.standard({"own": 500})
    with pytest.raises(NotReady, match="voxloom record"):
        arms.standard({"tts": 500})


def test_every_arm_is_tested_on_every_source(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nsources: {own: {max: 30}}\n")
    given = arms.given([read_mix(str(path)), None], {"own": 500})
    assert [mix.name for mix in given.mixes] == ["own-only", "mine", "everything"]
    for mix in [*given.mixes, *arms.standard({"own": 1, "tts": 1}).mixes]:
        assert mix.sources.keys() == FOLDERS.keys()
    assert given.mixes[1].sources["tts"] == Share(max=0)
    with pytest.raises(BadInput, match="two mixes are named mine"):
        arms.given([read_mix(str(path))] * 2, {"own": 500})


def test_a_thinned_mix_takes_a_part_of_what_it_was_bounded_to() -> None:
    mix = Mix(
        name="m", sources={"own": Share(min=5, max=400), "commonvoice": Share(), "tts": Share(max_hours=2)}
    )
    thin = arms.thinned(mix, 0.25, ("own", "commonvoice")).sources
    assert thin["own"] == Share(max=100)
    assert thin["commonvoice"] == Share(fraction=0.25)
    assert thin["tts"] == Share(max_hours=2)
    assert thin["imported"] == Share(max=0)


@pytest.mark.parametrize(
    "text", ["1/8,1/4", "1/2,1/3,1/4", "0,1/2,1", "a,b,c", "1/0,1/2,1", "1,1,1", "2,1,1/2"]
)
def test_parts_that_make_no_curve(text: str) -> None:
    with pytest.raises(BadInput, match="--parts"):
        _parts(text)
    assert _parts("1, 1/2,0.25") == [0.25, 0.5, 1.0]


def heard(error_rate: float, seed: int, number: int = 120, decoders: Sequence[str] = ("greedy",)) -> Lines:
    """A run that mishears this share of four-word utterances' words; a third of them are of others."""
    random = np.random.default_rng(seed)

    def text() -> str:
        return " ".join(word if random.random() >= error_rate else "zero" for word in WORDS)

    lines = [
        ScoredLine(
            utterance=f"u{i:03d}",
            split="test",
            source="commonvoice" if i % 3 == 0 else "user_recorded",
            reference=" ".join(WORDS),
            heard={decoder: {"text": text()} for decoder in decoders},
        )
        for i in range(number)
    ]
    return {line.utterance: line for line in lines}


def own(line: ScoredLine) -> bool:
    return line.source == "user_recorded"


def compared(**rates: float) -> list[Comparison]:
    runs = {
        name.replace("_", "-"): [heard(rate, 10 * i + s) for s in range(2)]
        for i, (name, rate) in enumerate(rates.items())
    }
    return list(compare(runs, ablation.BASE, own))


def found(comparisons: list[Comparison], name: str = "own-only") -> ablation.Ablation:
    built = Built(name, "x-1", {"own": 100}, {"own": 0.1}, {"own": 80})
    return ablation.Ablation(
        base="own",
        datasets=[built],
        runs={"own-only": ["r-1"]},
        left_out={"hybrid": HOSTILE},
        failures=[HOSTILE],
        comparisons=comparisons,
        not_in_all=3,
        recipe="tiny",
        rule="a rule",
        seeds=(1, 2),
    )


@pytest.mark.parametrize(
    ("rates", "begins"),
    [
        ({"own_only": 0.5, "hybrid": 0.2}, "Yes, hybrid pays here"),
        ({"own_only": 0.2, "hybrid": 0.5}, "No, hybrid does harm"),
        ({"own_only": 0.3, "hybrid": 0.3}, "It is not shown that hybrid pays"),
        ({"own_only": 1.0, "hybrid": 0.95}, "Nothing can be said: with WER"),
        ({"own_only": 0.5, "hybrid": 0.2, "own_tts": 0.1}, "Yes, hybrid pays"),
        ({"own_only": 0.5}, "Nothing can be said: fewer"),
    ],
)
def test_one_sentence_says_whether_it_pays(rates: dict[str, float], begins: str) -> None:
    assert ablation.answer(found(compared(**rates))).startswith(begins)


def test_the_figures_are_those_of_the_paired_bootstrap() -> None:
    """One training each: the very bootstrap that the gate decides by, over the same words."""
    runs = {"a": [heard(0.4, 1)], "b": [heard(0.3, 2)]}
    (result,) = compare(runs, "own", own)
    edits = [
        [wer.word_edits(line.reference, line.heard["greedy"].text) for line in run[0].values() if own(line)]
        for run in runs.values()
    ]
    paired = wer.paired_bootstrap(*edits)
    versus = result.results[1].versus
    assert versus
    assert (versus.delta, versus.low, versus.high) == pytest.approx((paired.delta, paired.low, paired.high))
    assert result.results[0].low == pytest.approx(wer.bootstrap_interval(edits[0])[0])
    assert (result.utterances, result.reference) == (80, 320)


def test_trainings_that_differ_widen_the_interval() -> None:
    alike = [[heard(0.3, 1), heard(0.3, 2)], [heard(0.3, 3), heard(0.3, 4)]]
    apart = [[heard(0.1, 1), heard(0.5, 2)], [heard(0.1, 3), heard(0.5, 4)]]
    widths = []
    for runs in (alike, apart):
        (result,) = compare(dict(zip("ab", runs, strict=True)), "own", own)
        assert len(result.results[0].by_training) == 2
        widths.append(result.results[1].versus.high - result.results[1].versus.low)
    assert widths[1] > 2 * widths[0]


def test_only_what_all_heard_with_one_decoder_is_compared() -> None:
    more, fewer = (
        heard(0.2, 1, decoders=("lm", "greedy")),
        heard(0.2, 2, number=90, decoders=("greedy", "lm")),
    )
    other = {**fewer, "u000": fewer["u000"].model_copy(update={"reference": "something else"})}
    assert in_all([more, other]) == (sorted(fewer)[1:], 31)
    runs = {"a": [more], "b": [other]}
    assert [each.decoder for each in compare(runs, "own", own)] == ["greedy", "lm"]
    assert list(compare(runs, "none", lambda line: False)) == []


def test_lines_of_other_shapes_are_read_or_refused() -> None:
    line = {"utterance": "u", "split": "test", "source": "s", "reference": "a", "new": 1}
    read = parse_model("line 1", json.dumps(line | {"hypotheses": {"greedy": "b"}}), ScoredLine)
    assert read.heard["greedy"].text == "b"
    read = parse_model("line 1", json.dumps(line | {"heard": {"lm": {"text": "b", "words": {}}}}), ScoredLine)
    assert read.heard["lm"].text == "b"
    for wrong in ({}, {"hypotheses": 3}, {"heard": {"greedy": 3}}):
        with pytest.raises(BadInput, match="line 1"):
            parse_model("line 1", json.dumps(line | wrong), ScoredLine)


def test_an_ablation_can_be_shown_saved_and_put_on_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    result = found(compared(own_only=0.5, hybrid=0.2))
    ablation.show(result)
    printed = capsys.readouterr().out
    assert "difference to own-only (95 %)" in printed
    assert "3 test utterances are not compared" in printed
    kept = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert kept["comparisons"][0]["results"][1]["versus"]["high"] < 0
    assert kept["answer"] == ablation.answer(result)
    page = ablation.page(result)
    assert page.count("<circle") == 2
    assert HOSTILE not in page
    assert "http" not in page.replace("http-equiv", "")


def foretold(target: float, errors: Sequence[float] = (0.6, 0.5, 0.42, 0.36)) -> foretelling.Foretold:
    sizes = (100, 200, 400, 800)
    noise = np.random.default_rng(0).normal(0, 0.004, (4, 300))
    fit = learning_curve.fit(sizes, errors, np.array(errors)[:, None] + noise)
    points = [
        foretelling.Point(n / 800, f"x-{n}", [f"r-{n}"], n, n / 500, e, e - 0.01, e + 0.01)
        for n, e in zip(sizes, errors, strict=True)
    ]
    return foretelling.Foretold(
        mix="own-only",
        thinned=["own"],
        decoder="greedy",
        rate_name="WER",
        utterances=90,
        points=points,
        fit=fit,
        forecast=fit.forecast(target),
        recipe="tiny",
        rule="a rule",
        seeds=(1,),
        failures=[],
    )


@pytest.mark.parametrize(
    ("target", "errors", "says"),
    [
        (0.3, (0.6, 0.5, 0.42, 0.36), "Record about"),
        (0.4, (0.6, 0.5, 0.42, 0.36), "is reached"),
        (0.2, (0.6, 0.5, 0.42, 0.36), "too far to say"),
        (0.1, (0.9, 0.5, 0.32, 0.31), "out of reach"),
        (0.1, (0.5, 0.5, 0.5, 0.5), "Nothing can be foretold of WER 10.0 %"),
        (0.1, (1.0, 0.99, 0.98, 0.97), "recognises next to nothing"),
    ],
)
def test_a_forecast_says_what_it_knows_and_what_it_does_not(
    target: float, errors: Sequence[float], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    result = foretold(target, errors)
    assert says in foretelling.answer(result)
    foretelling.show(result)
    assert says in capsys.readouterr().out
    json.dumps(result.as_dict(), allow_nan=False)
    assert "<polyline" in foretelling.page(result)


def test_the_amount_is_what_is_missing_and_in_hours_of_the_usual_length() -> None:
    result = foretold(0.3)
    kept = result.as_dict()
    assert kept["more_utterances"]["size"] == pytest.approx(result.forecast.size - 800)
    assert kept["more_hours"]["size"] == pytest.approx(kept["more_utterances"]["size"] / 500)
    low, size, high = (kept["more_utterances"][name] for name in ("low", "size", "high"))
    assert 0 < low < size < high


def test_the_plot_has_its_points_in_order() -> None:
    result = foretold(0.3)
    lines = list(text_plot(result.fit, result.pairs, 0.3))
    at = [(row, column) for row, line in enumerate(lines) for column, mark in enumerate(line) if mark == "o"]
    assert len(at) == 4
    assert all(upper[0] < lower[0] and upper[1] < lower[1] for upper, lower in pairwise(at))


def test_the_time_left_follows_the_budget_then_what_was_measured() -> None:
    pace = Pace(runs=4, budget_s=600)
    assert pace.left_s(100) == 100 + 3 * 600
    pace.ended(was_over=True)
    assert pace.left_s(100) == 100 + 2 * 600
    pace.ended(was_over=False)
    assert pace.left_s(100) == pytest.approx(100, abs=5)
