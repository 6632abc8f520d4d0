"""The gate decides from counts alone, and says why in figures."""

import pytest

from services.optimizer import gate
from services.optimizer.records import FP32, INT8, Speed
from voxloom.wer import Edits


def utterances(errors: list[int], words: int = 10) -> list[Edits]:
    return [Edits(substitutions=each, reference=words) for each in errors]


def speed(times: float) -> Speed:
    return Speed(clips=8, audio_s=30, fp32_s=1, int8_s=1 / times, int8_speedup=times)


@pytest.mark.parametrize(
    ("fp32", "int8", "times", "chosen"),
    [
        (50, 50, 1.5, INT8),
        (50, 52, 1.5, INT8),  # 0.2 % of 773 words is 1.5, rounded up
        (50, 53, 1.5, FP32),
        (50, 40, 1.5, INT8),
        (50, 50, 1.04, FP32),
        (50, 50, 0.7, FP32),
    ],
)
def test_int8_is_served_if_faster_and_as_good(fp32: int, int8: int, times: float, chosen: str) -> None:
    counts = [Edits(substitutions=each, reference=773) for each in (fp32, int8)]
    file, reason = gate.choose_graph(*counts, speed(times), "words")
    assert file == chosen
    assert str(int8) in reason
    assert "773 words" in reason


def test_without_a_test_set_fp32_is_kept() -> None:
    assert gate.choose_graph(Edits(), Edits(), Speed(), "words")[0] == FP32


def test_the_first_model_is_promoted_with_its_figures() -> None:
    verdict = gate.judge_first(utterances([1, 0, 2, 0, 1]), "words")
    assert verdict.outcome == "promoted"
    assert "WER 8.0 % (4 errors in 50 words" in verdict.reasons[0]


@pytest.mark.parametrize("edits", [[], utterances([1, 0], words=0)], ids=["no utterances", "no words"])
def test_nothing_is_promoted_that_was_not_measured(edits: list[Edits]) -> None:
    verdict = gate.judge_first(edits, "words")
    assert verdict.outcome == "rejected"
    assert "no usable utterance" in verdict.reasons[0]


def test_a_model_that_hears_nothing_is_rejected_even_as_the_first() -> None:
    verdict = gate.judge_first(utterances([10, 9, 9]), "words")
    assert verdict.outcome == "rejected"
    assert "next to nothing" in verdict.reasons[0]


def judge(candidate: list[int], rival: list[int], groups: list[str] | None = None) -> gate.Verdict:
    groups = groups or [gate.GENERAL] * len(candidate)
    return gate.judge(utterances(candidate), utterances(rival), groups, "words", "m-old")


def test_fewer_errors_are_promoted() -> None:
    verdict = judge([0, 1] * 30, [2, 1] * 30)
    assert verdict.outcome == "promoted"
    assert "significantly better than m-old" in verdict.reasons[0]
    assert "30 errors against 90 in 600 words" in verdict.reasons[0]


def test_as_many_errors_are_promoted_because_the_newer_model_heard_more() -> None:
    assert judge([1, 0] * 20, [0, 1] * 20).outcome == "promoted"


def test_more_errors_are_rejected_whether_significant_or_not() -> None:
    slightly, clearly = judge([2, *[1] * 39], [1] * 40), judge([3] * 40, [1] * 40)
    assert slightly.outcome == clearly.outcome == "rejected"
    assert "not better than m-old" in slightly.reasons[0]
    assert "significantly worse than m-old" in clearly.reasons[0]


def test_a_gain_in_general_does_not_pay_for_a_loss_of_the_own_voice() -> None:
    groups = [gate.OWN] * 20 + [gate.GENERAL] * 80
    verdict = judge([3] * 20 + [0] * 80, [1] * 20 + [2] * 80, groups)
    assert verdict.outcome == "rejected"
    assert "group 'own voice'" in verdict.reasons[0]
    assert [each.group for each in verdict.comparisons] == ["all", "own voice", "general"]


def test_a_group_of_a_few_words_cannot_veto() -> None:
    groups = [gate.OWN] * 5 + [gate.GENERAL] * 80
    assert judge([3] * 5 + [0] * 80, [1] * 5 + [2] * 80, groups).outcome == "promoted"


def test_a_damaged_production_model_leaves_the_decision_to_a_person() -> None:
    verdict = gate.judge_without_rival(utterances([0, 1]), "words", "m-old", "model.onnx is missing")
    assert verdict.outcome == "rejected"
    assert "m-old" in verdict.reasons[0]
    assert "model.onnx is missing" in verdict.reasons[0]
    assert "roll back" in verdict.reasons[0]
