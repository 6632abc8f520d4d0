"""Which streaming graph is served: in 8 bits where they cost nothing, and none that hears much worse."""

import pytest

from services.optimizer.streaming import INT8, judge
from voxloom.bundle import STREAMING
from voxloom.wer import Edits


def errors(count: int, reference: int = 1000) -> Edits:
    return Edits(substitutions=count, reference=reference)


@pytest.mark.parametrize(
    ("whole", "fp32", "int8", "file"),
    [
        (100, 100, None, STREAMING),
        (100, 110, 110, INT8),
        (100, 110, 112, INT8),  # 0.2 % of 1,000 words more
        (100, 110, 113, STREAMING),
        (100, 135, 135, INT8),  # a quarter more and 1 % of the words are allowed
        (100, 135, 136, STREAMING),
        (100, 136, 136, ""),
        (0, 10, None, STREAMING),
        (0, 11, None, ""),
    ],
)
def test_the_rule(whole: int, fp32: int, int8: int | None, file: str) -> None:
    found = {STREAMING: errors(fp32)} | ({INT8: errors(int8)} if int8 is not None else {})
    verdict = judge(found, errors(whole), 0.002)
    assert verdict.served_file == file
    assert f"{whole} whole" in verdict.reason


def test_what_was_not_measured_is_not_served() -> None:
    assert judge({STREAMING: Edits()}, Edits(), 0.002).served_file == ""
