"""The two decisions: which graph of a model is served, and whether the model is. Counts in, reasons out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from services.optimizer.records import FP32, INT8, Comparison, Outcome, Speed
from voxloom import wer
from voxloom.wer import Edits, Unit

MIN_INT8_SPEEDUP = 1.05  # below that a second graph is not worth an error
INT8_TOLERANCE = 0.002  # errors that int8 may add, as a share of the reference
MAX_ERROR_RATE = 0.9  # a model beyond it recognises next to nothing
MIN_GROUP_REFERENCE = 100  # words; a smaller group cannot veto: its figures are chance

OWN, GENERAL, ALL = "own voice", "general", "all"


@dataclass(frozen=True)
class Verdict:
    outcome: Outcome
    reasons: list[str]
    comparisons: list[Comparison] = field(default_factory=list)


def group_of(source: str) -> str:
    """Own recordings are judged apart from everybody else's: a gain in one can hide a loss in the other."""
    return OWN if source == "user_recorded" else GENERAL


def choose_graph(fp32: Edits, int8: Edits, speed: Speed, unit: Unit) -> tuple[str, str]:
    """The file to serve and why: int8 if it is faster and adds no more errors than allowed, else fp32."""
    if not fp32.reference:
        return FP32, "fp32: there was nothing to measure int8 on"
    added, allowed = int8.errors - fp32.errors, ceil(INT8_TOLERANCE * fp32.reference)
    figures = (
        f"int8 is {speed.int8_speedup:.2f} times as fast and makes {int8.errors} errors against "
        f"{fp32.errors} in {fp32.reference} {unit} (at most {allowed} more allowed)"
    )
    if added > allowed:
        return FP32, f"fp32: {figures}, too many"
    if speed.int8_speedup < MIN_INT8_SPEEDUP:
        return FP32, f"fp32: {figures}, but should be at least {MIN_INT8_SPEEDUP} times as fast"
    return INT8, f"int8: {figures}"


def judge_alone(edits: Sequence[Edits], unit: Unit, limit: float = MAX_ERROR_RATE) -> list[str]:
    """Why a model must not be served whatever is in production; empty when nothing speaks against it."""
    counts = wer.total(edits)
    if not counts.reference:
        return [
            "the test set has no usable utterance, and nothing is served that was not measured: add "
            "recordings of more sentences or speakers, or promote the model by hand"
        ]
    if counts.rate >= limit:
        return [
            f"{describe(edits, unit)}: it recognises next to nothing (limit {100 * limit:.0f} %); "
            "add data or train for longer"
        ]
    return []


def judge_first(edits: Sequence[Edits], unit: Unit, limit: float = MAX_ERROR_RATE) -> Verdict:
    """The verdict while nothing is in production."""
    if faults := judge_alone(edits, unit, limit):
        return Verdict("rejected", faults)
    return Verdict("promoted", [f"the first model: {describe(edits, unit)}"])


def judge_without_rival(edits: Sequence[Edits], unit: Unit, production: str, error: str) -> Verdict:
    """The verdict when the model in production cannot be read: a person decides."""
    reason = (
        f"{production} is in production but cannot be measured ({error}), so nothing can be compared; "
        "roll back, or promote this model by hand"
    )
    return Verdict("rejected", [*judge_alone(edits, unit), reason])


def judge(
    candidate: Sequence[Edits],
    rival: Sequence[Edits],
    groups: Sequence[str],
    unit: Unit,
    production: str,
    limit: float = MAX_ERROR_RATE,
) -> Verdict:
    """Promotes a model with no more errors than the one in production, unless a group of utterances with
    enough words has become significantly worse. Both heard the same utterances, in the same order."""
    if faults := judge_alone(candidate, unit, limit):
        return Verdict("rejected", faults)
    comparisons = [compare(ALL, candidate, rival), *_by_group(candidate, rival, groups)]
    faults = [_fault(each, unit, production) for each in comparisons if _vetoes(each)]
    if faults:
        return Verdict("rejected", faults, comparisons)
    return Verdict("promoted", [_praise(comparisons[0], unit, production)], comparisons)


def compare(group: str, candidate: Sequence[Edits], rival: Sequence[Edits]) -> Comparison:
    """Paired over utterances (Bisani and Ney 2004)."""
    paired = wer.paired_bootstrap(rival, candidate)
    ours, theirs = wer.total(candidate), wer.total(rival)
    return Comparison(
        group=group,
        utterances=len(candidate),
        reference=ours.reference,
        candidate_errors=ours.errors,
        production_errors=theirs.errors,
        delta=paired.delta,
        low=paired.low,
        high=paired.high,
        p_better=paired.p_better,
    )


def describe(edits: Sequence[Edits], unit: Unit) -> str:
    """For example `WER 7.2 % (56 errors in 773 words; 95 % interval 5.4 to 9.1)`."""
    counts = wer.total(edits)
    low, high = wer.bootstrap_interval(edits)
    return (
        f"{_rate_name(unit)} {100 * counts.rate:.1f} % ({counts.errors} errors in {counts.reference} {unit}; "
        f"95 % interval {100 * low:.1f} to {100 * high:.1f})"
    )


def _by_group(candidate: Sequence[Edits], rival: Sequence[Edits], groups: Sequence[str]) -> list[Comparison]:
    places = {name: [i for i, group in enumerate(groups) if group == name] for name in (OWN, GENERAL)}
    if not all(places.values()):
        return []  # one group is the whole test set
    return [compare(name, [candidate[i] for i in at], [rival[i] for i in at]) for name, at in places.items()]


def _vetoes(comparison: Comparison) -> bool:
    if comparison.group == ALL:
        return comparison.candidate_errors > comparison.production_errors
    return comparison.significantly_worse and comparison.reference >= MIN_GROUP_REFERENCE


def _fault(comparison: Comparison, unit: Unit, production: str) -> str:
    how = "significantly worse" if comparison.significantly_worse else "not better"
    return f"{how} than {production} on {_figures(comparison, unit)}"


def _praise(comparison: Comparison, unit: Unit, production: str) -> str:
    how = "significantly better" if comparison.high < 0 else "not worse"
    return f"{how} than {production} on {_figures(comparison, unit)}"


def _figures(comparison: Comparison, unit: Unit) -> str:
    where = "the whole test set" if comparison.group == ALL else f"the group '{comparison.group}'"
    return (
        f"{where}: {comparison.candidate_errors} errors against {comparison.production_errors} in "
        f"{comparison.reference} {unit} ({_rate_name(unit)} difference {100 * comparison.delta:+.2f} points, "
        f"95 % interval {100 * comparison.low:+.2f} to {100 * comparison.high:+.2f}, "
        f"p(better) {comparison.p_better:.2f})"
    )


def _rate_name(unit: Unit) -> str:
    return "WER" if unit == "words" else "CER"
