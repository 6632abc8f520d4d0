"""The gate decides from counts alone, and says why in figures."""

from typing import Any

import pytest

from services.optimizer import gate
from services.optimizer.rules import GateRules
from voxloom.bundle import Pin
from voxloom.wer import Edits


def utterances(errors: list[int], words: int = 10) -> list[Edits]:
    return [Edits(substitutions=each, reference=words) for each in errors]


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


def judge(
    candidate: list[int], rival: list[int], groups: list[str] | None = None, **rules: Any
) -> gate.Verdict:
    groups = groups or [gate.GENERAL] * len(candidate)
    return gate.judge(utterances(candidate), utterances(rival), groups, "words", "m-old", GateRules(**rules))


def test_a_model_that_is_better_for_certain_is_promoted() -> None:
    verdict = judge([0, 1] * 30, [2, 1] * 30)
    assert verdict.outcome == "promoted"
    assert verdict.reasons == [
        "significantly better than m-old on the whole test set: 30 errors against 90 in 600 words "
        f"({verdict.reasons[0].split('(', 1)[1]}"
    ]
    assert "WER difference -10.00 points, 95 % interval -12" in verdict.reasons[0]


@pytest.mark.parametrize("candidate", [[1, 0] * 20, [0, 0] + [1, 0] * 19], ids=["as good", "one error fewer"])
def test_a_model_that_is_not_shown_to_be_better_waits_for_more_evidence(candidate: list[int]) -> None:
    verdict = judge(candidate, [1, 0] * 20)
    assert verdict.outcome == "rejected"
    assert verdict.reasons[0].startswith("neither better nor worse than m-old")
    assert "small gains add up" in verdict.reasons[-1]


def test_one_error_fewer_is_enough_if_the_rules_say_so() -> None:
    candidate, rival = [0, *[1] * 39], [1] * 40
    assert judge(candidate, rival).outcome == "rejected"
    verdict = judge(candidate, rival, better="fewer")
    assert verdict.outcome == "promoted"
    assert verdict.reasons[0].startswith(
        "fewer errors than m-old on the whole test set: 39 errors against 40"
    )
    assert judge(rival, rival, better="fewer").outcome == "rejected"


def test_the_confidence_that_is_asked_for_decides_and_is_told() -> None:
    """Six utterances better, two worse: enough for 80 %, not for 95 %."""
    candidate, rival = [0] * 6 + [1] * 2 + [1] * 32, [1] * 6 + [0] * 2 + [1] * 32
    assert judge(candidate, rival).outcome == "rejected"
    verdict = judge(candidate, rival, confidence=0.8)
    assert verdict.outcome == "promoted"
    assert "80 % interval" in verdict.reasons[0]


def test_a_model_that_is_worse_for_certain_is_rejected() -> None:
    slightly, clearly = judge([2, *[1] * 39], [1] * 40), judge([3] * 40, [1] * 40)
    assert slightly.outcome == clearly.outcome == "rejected"
    assert "neither better nor worse than m-old" in slightly.reasons[0]
    assert "significantly worse than m-old" in clearly.reasons[0]


def test_a_gain_in_general_does_not_pay_for_a_loss_of_the_own_voice() -> None:
    groups = [gate.OWN] * 20 + [gate.GENERAL] * 80
    verdict = judge([3] * 20 + [0] * 80, [1] * 20 + [2] * 80, groups)
    assert verdict.outcome == "rejected"
    assert "significantly worse than m-old on the group 'own voice'" in verdict.reasons[0]
    assert "significantly better than m-old on the group 'general'" in verdict.reasons[1]
    assert [each.group for each in verdict.comparisons] == ["all", "own voice", "general"]


def test_a_gain_of_the_own_voice_alone_is_enough() -> None:
    """In all it makes a few errors more, which is chance in general and a gain for the own voice."""
    groups = [gate.OWN] * 20 + [gate.GENERAL] * 200
    general, chance = [1, 1] * 100, [3, 1, 0, 1, 1, 0, 2, 1] * 25
    verdict = judge([0] * 20 + chance, [1] * 20 + general, groups)
    assert verdict.comparisons[0].candidate_errors > verdict.comparisons[0].production_errors - 20
    assert verdict.outcome == "promoted"
    assert "significantly better than m-old on the group 'own voice'" in verdict.reasons[0]
    assert "neither better nor worse than m-old on the group 'general'" in verdict.reasons[1]


def test_a_group_of_a_few_words_neither_vetoes_nor_pays() -> None:
    groups = [gate.OWN] * 5 + [gate.GENERAL] * 80
    verdict = judge([3] * 5 + [0] * 80, [1] * 5 + [2] * 80, groups)
    assert verdict.outcome == "promoted"
    assert "the group 'own voice' has 50 words" in verdict.reasons[-1]
    assert "15 errors against 5" in verdict.reasons[-1]
    assert judge([0] * 5 + [1] * 80, [3] * 5 + [1] * 80, groups).outcome == "rejected"
    assert judge([3] * 5 + [0] * 80, [1] * 5 + [2] * 80, groups, min_words=50).outcome == "rejected"


def test_groups_that_are_all_small_are_judged_together() -> None:
    groups = [gate.OWN, gate.GENERAL] * 9
    verdict = judge([0] * 18, [1] * 18, groups)
    assert verdict.outcome == "promoted"
    assert "the whole test set" in verdict.reasons[0]


def test_a_pin_holds_back_what_is_good_enough_and_nothing_else() -> None:
    pin = Pin(at="2026-11-29T10:00:00+00:00", why="for the exhibition")
    good, bad = judge([0] * 40, [1] * 40), judge([2] * 40, [1] * 40)
    held = gate.hold(good, "m-old", pin)
    assert held.outcome == "held"
    assert held.reasons[0].startswith("m-old has been pinned since 2026-11-29 (for the exhibition)")
    assert held.reasons[1:] == good.reasons
    assert held.comparisons == good.comparisons
    assert gate.hold(bad, "m-old", pin) == bad


def test_a_damaged_production_model_leaves_the_decision_to_a_person() -> None:
    verdict = gate.judge_without_rival(utterances([0, 1]), "words", "m-old", "model.onnx is missing")
    assert verdict.outcome == "rejected"
    assert "m-old" in verdict.reasons[0]
    assert "model.onnx is missing" in verdict.reasons[0]
    assert "roll back" in verdict.reasons[0]
