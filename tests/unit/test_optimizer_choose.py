"""Which graph is served is decided from counts and times alone, and said in figures."""

import pytest

from services.optimizer.choose import Candidate, Choice, choose
from services.optimizer.records import FP16, FP32, FUSED, INT8, STATIC
from services.optimizer.rules import ServeRules
from voxloom.wer import Edits

WORDS = 773


def candidate(errors: int, speedup: float) -> Candidate:
    return Candidate(Edits(substitutions=errors, reference=WORDS), speedup)


def chosen(rules: ServeRules | None = None, **others: tuple[int, float]) -> Choice:
    names = {"fused": FUSED, "int8": INT8, "static": STATIC, "fp16": FP16}
    measured = {names[name]: candidate(*figures) for name, figures in others.items()}
    return choose({FP32: candidate(50, 1.0), **measured}, "words", rules or ServeRules())


@pytest.mark.parametrize(
    ("int8", "times", "file"),
    [
        (50, 1.5, INT8),
        (51, 1.5, INT8),  # 0.1 % of 773 words is 0.8, rounded up
        (52, 1.5, FP32),
        (40, 1.5, INT8),
        (50, 1.05, INT8),
        (50, 1.04, FP32),
        (50, 0.7, FP32),
    ],
)
def test_int8_is_served_if_faster_and_as_good(int8: int, times: float, file: str) -> None:
    choice = chosen(int8=(int8, times))
    assert choice.file == file
    assert f"{times:.2f} times as fast as float32, {int8} errors in 773 words against 50" in choice.reason


def test_the_fastest_of_those_that_lose_next_to_nothing_is_served() -> None:
    choice = chosen(fused=(50, 1.1), int8=(51, 1.5), static=(60, 1.9))
    assert choice.file == INT8
    assert choice.reason.startswith("int8: 1.50 times as fast as float32, 51 errors")
    assert "too many, at most 1 more are allowed" in choice.verdicts[STATIC]
    assert "int8 is faster" in choice.verdicts[FUSED]
    assert set(choice.verdicts) == {FP32, FUSED, INT8, STATIC}


def test_float32_is_kept_where_the_others_are_slower_and_says_so() -> None:
    choice = chosen(fused=(50, 1.01), int8=(50, 0.73))
    assert choice.file == FP32
    assert choice.reason.startswith("float32: 50 errors in 773 words, no other graph is better; ")
    assert "int8: 0.73 times as fast as float32" in choice.reason


def test_float16_is_never_served_on_a_cpu() -> None:
    choice = chosen(fp16=(40, 3.0))
    assert choice.file == FP32
    assert "for GPUs" in choice.verdicts[FP16]


def test_the_numbers_of_the_rule_are_settings() -> None:
    assert chosen(ServeRules(max_loss=0.01), int8=(58, 1.5)).file == INT8
    assert chosen(ServeRules(max_loss=0.0), int8=(51, 1.5)).file == FP32
    assert chosen(ServeRules(min_speedup=2), int8=(50, 1.5)).file == FP32
    assert chosen(ServeRules(min_speedup=0.5), int8=(50, 0.7)).file == INT8


def test_without_a_test_set_float32_is_kept() -> None:
    unmeasured = Candidate(Edits(), 0.0)
    choice = choose({FP32: unmeasured, INT8: unmeasured}, "words", ServeRules())
    assert choice.file == FP32
    assert "nothing to measure" in choice.reason
