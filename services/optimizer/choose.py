"""Which graph of a model is served: the fastest that loses next to nothing. Counts in, reasons out."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from services.optimizer.records import FP16, FP32, NAMES
from services.optimizer.rules import ServeRules
from voxloom.wer import Edits, Unit


@dataclass(frozen=True)
class Candidate:
    """A graph as measured: errors by the decoder that is served, and how many times as fast as float32."""

    edits: Edits
    speedup: float


@dataclass(frozen=True)
class Choice:
    file: str
    reason: str
    verdicts: dict[str, str]  # of each candidate, by file


def choose(candidates: Mapping[str, Candidate], unit: Unit, rules: ServeRules) -> Choice:
    """Of the graphs for CPUs the fastest that makes at most `max_loss` more errors than float32
    and is at least `min_speedup` times as fast; float32 where there is none."""
    fp32 = candidates[FP32].edits
    if not fp32.reference:
        reason = f"{NAMES[FP32]}: there was nothing to measure the other graphs on"
        return Choice(FP32, reason, dict.fromkeys(candidates, "not measured"))
    faults = {name: _fault(name, each, fp32, rules) for name, each in candidates.items() if name != FP32}
    able = [name for name, fault in faults.items() if not fault]
    file = max(able, key=lambda name: candidates[name].speedup, default=FP32)
    verdicts = {
        name: _verdict(name, candidates[name], fp32, unit, faults.get(name, ""), file) for name in candidates
    }
    others = [f"{NAMES[name]}: {verdicts[name]}" for name in candidates if name not in (file, FP32)]
    first = f"{NAMES[file]}: {verdicts[file]}"
    return Choice(file, "; ".join([first, *others]), verdicts)


def allowed_errors(fp32: Edits, rules: ServeRules) -> int:
    """More than float32's; of a small test set at least one, or chance alone would decide."""
    return ceil(rules.max_loss * fp32.reference)


def _fault(name: str, candidate: Candidate, fp32: Edits, rules: ServeRules) -> str:
    """Why it cannot be served; empty when it can."""
    allowed = allowed_errors(fp32, rules)
    if name == FP16:
        return "it is for GPUs, and served here on CPUs"
    if candidate.edits.errors - fp32.errors > allowed:
        return f"too many, at most {allowed} more are allowed"
    if candidate.speedup < rules.min_speedup:
        return f"it should be at least {rules.min_speedup:g} times as fast"
    return ""


def _verdict(name: str, candidate: Candidate, fp32: Edits, unit: Unit, fault: str, chosen: str) -> str:
    errors = f"{candidate.edits.errors} errors in {fp32.reference} {unit}"
    if name == FP32:
        return f"{errors}, " + ("no other graph is better" if chosen == FP32 else "the measure of the others")
    figures = f"{candidate.speedup:.2f} times as fast as float32, {errors} against {fp32.errors}"
    if name == chosen:
        return f"{figures}, the fastest that loses next to nothing"
    return f"{figures}: {fault or f'{NAMES[chosen]} is faster'}"
