"""Whether a model takes over from the one in production. Counts in, reasons out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.optimizer.records import Comparison, Outcome
from services.optimizer.rules import STANDARD, GateRules
from voxloom import wer
from voxloom.bundle import Pin
from voxloom.wer import Edits, Unit

OWN, GENERAL, ALL = "own voice", "general", "all"
_ADVICE = (
    "no difference is shown, so what is served stays; the next model is held against it again, and small "
    "gains add up: add data and test sentences, or promote this one by hand"
)


@dataclass(frozen=True)
class Verdict:
    outcome: Outcome
    reasons: list[str]
    comparisons: list[Comparison] = field(default_factory=list)


def group_of(source: str) -> str:
    """Own recordings are judged apart from everybody else's: a gain in one can hide a loss in the other."""
    return OWN if source == "user_recorded" else GENERAL


def judge_alone(edits: Sequence[Edits], unit: Unit, limit: float = STANDARD.gate.max_error_rate) -> list[str]:
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


def judge_first(edits: Sequence[Edits], unit: Unit, limit: float = STANDARD.gate.max_error_rate) -> Verdict:
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
    rules: GateRules = STANDARD.gate,
) -> Verdict:
    """Promotes a model that is significantly worse in no group of utterances, own voice and general speech,
    and better in one. Both models heard the same utterances, in the same order.

    Groups that are too small neither veto nor pay; where all are, the whole test set is judged.
    """
    if faults := judge_alone(candidate, unit, rules.max_error_rate):
        return Verdict("rejected", faults)
    comparisons = [
        compare(ALL, candidate, rival, rules.confidence),
        *_by_group(candidate, rival, groups, rules.confidence),
    ]
    large = [each for each in comparisons[1:] if each.reference >= rules.min_words]
    judged = large or comparisons[:1]
    told = {each.group: _told(each, unit, production, rules) for each in judged}
    worse = [told[each.group] for each in judged if each.significantly_worse]
    better = [told[each.group] for each in judged if _is_better(each, rules)]
    rest = [line for line in told.values() if line not in (*worse, *better)]
    small = [_too_small(each, unit, rules) for each in comparisons[1:] if large and each not in large]
    if worse:
        return Verdict("rejected", [*worse, *better, *rest, *small], comparisons)
    if better:
        return Verdict("promoted", [*better, *rest, *small], comparisons)
    return Verdict("rejected", [*rest, *small, _ADVICE], comparisons)


def hold(verdict: Verdict, production: str, pin: Pin) -> Verdict:
    """The same while a person keeps the model in production where it is."""
    if verdict.outcome != "promoted":
        return verdict
    why = f" ({pin.why})" if pin.why else ""
    reason = (
        f"{production} has been pinned since {pin.at[:10]}{why}: without that, this model would be promoted"
    )
    return Verdict("held", [reason, *verdict.reasons], verdict.comparisons)


def compare(
    group: str, candidate: Sequence[Edits], rival: Sequence[Edits], confidence: float = 0.95
) -> Comparison:
    """Paired over utterances (Bisani and Ney 2004)."""
    paired = wer.paired_bootstrap(rival, candidate, confidence=confidence)
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


def _by_group(
    candidate: Sequence[Edits], rival: Sequence[Edits], groups: Sequence[str], confidence: float
) -> list[Comparison]:
    places = {name: [i for i, group in enumerate(groups) if group == name] for name in (OWN, GENERAL)}
    if not all(places.values()):
        return []  # one group is the whole test set
    return [
        compare(name, [candidate[i] for i in at], [rival[i] for i in at], confidence)
        for name, at in places.items()
    ]


def _is_better(comparison: Comparison, rules: GateRules) -> bool:
    if rules.better == "fewer":
        return comparison.candidate_errors < comparison.production_errors
    return comparison.significantly_better


def _told(comparison: Comparison, unit: Unit, production: str, rules: GateRules) -> str:
    """For example `significantly better than m-old on the whole test set: 30 errors against 90 in ...`."""
    if comparison.significantly_worse:
        how = "significantly worse than"
    elif comparison.significantly_better:
        how = "significantly better than"
    elif _is_better(comparison, rules):
        how = "fewer errors than"
    else:
        how = "neither better nor worse than"
    where = "the whole test set" if comparison.group == ALL else f"the group '{comparison.group}'"
    return (
        f"{how} {production} on {where}: {comparison.candidate_errors} errors against "
        f"{comparison.production_errors} in {comparison.reference} {unit} "
        f"({_rate_name(unit)} difference {100 * comparison.delta:+.2f} points, {100 * rules.confidence:g} % "
        f"interval {100 * comparison.low:+.2f} to {100 * comparison.high:+.2f}, "
        f"p(better) {comparison.p_better:.2f})"
    )


def _too_small(comparison: Comparison, unit: Unit, rules: GateRules) -> str:
    return (
        f"the group '{comparison.group}' has {comparison.reference} {unit} in the test set, too few to judge "
        f"by ({rules.min_words}): {comparison.candidate_errors} errors against {comparison.production_errors}"
    )


def _rate_name(unit: Unit) -> str:
    return "WER" if unit == "words" else "CER"
