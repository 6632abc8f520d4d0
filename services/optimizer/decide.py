"""From measurements to decision.json."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import get_args

from services.optimizer import gate, measure
from services.optimizer.choose import Candidate, Choice, choose
from services.optimizer.gate import Verdict
from services.optimizer.measure import Decoders, Recogniser, Transcripts
from services.optimizer.records import Artefact, Decision, ErrorCounts, Latency, Parity, Speed, TestSet
from services.optimizer.rules import Rules
from voxloom import wer
from voxloom.bundle import Export, FileHash, Pin, ProductionPointer, load_bundle
from voxloom.errors import BadInput, NewerSchema, NotFound
from voxloom.lm import DecoderName
from voxloom.storage import ObjectStore
from voxloom.wer import Unit, unit_of


@dataclass(frozen=True)
class Rival:
    """The model in production when the measuring began; without a recogniser it could not be loaded."""

    model: str
    pin: Pin | None = None
    recogniser: Recogniser | None = None
    error: str = ""


@dataclass(frozen=True)
class Measured:
    """All that was found out about a candidate. `transcripts` holds the rival's too, under its model id."""

    files: Mapping[str, FileHash]  # the graphs
    transcripts: Transcripts
    parity: Parity | None
    speed: Speed
    rival: Rival | None
    latencies: Mapping[str, list[Latency]] = field(default_factory=dict)
    not_made: Mapping[str, str] = field(default_factory=dict)


def load_rival(store: ObjectStore, pointer: ProductionPointer | None) -> Rival | None:
    """None while nothing is in production. A damaged bundle is told of, not raised: a verdict needs it. One
    of a newer release is raised: that release can measure it."""
    if pointer is None:
        return None
    try:
        bundle = load_bundle(store, pointer.model)
        decoders = Decoders.of(bundle.record.decoding, bundle.tokenizer, bundle.language_model)
        return Rival(pointer.model, pointer.pin, Recogniser(bundle.served_graph, decoders))
    except NewerSchema:
        raise
    except (BadInput, NotFound) as error:
        return Rival(pointer.model, pointer.pin, error=str(error))


def decide(export: Export, measured: Measured, rules: Rules) -> Decision:
    transcripts = measured.transcripts
    unit = unit_of(transcripts.references)
    choice = _choose(measured, unit, rules)
    verdict = _judge(measured, choice.file, unit, rules)
    return Decision(
        model=export.model,
        run=export.run,
        dataset=export.dataset,
        created_at=datetime.now(UTC).isoformat(),
        outcome=verdict.outcome,
        reasons=verdict.reasons,
        production=measured.rival.model if measured.rival else "",
        rules=rules,
        served_file=choice.file,
        served_reason=choice.reason,
        test=_describe_test(export.dataset, transcripts, unit),
        artefacts={name: _artefact(name, measured, unit, choice) for name in measured.files},
        not_made=dict(measured.not_made),
        parity=measured.parity,
        speed=measured.speed,
        comparisons=verdict.comparisons,
        worst=measure.worst(transcripts, choice.file, unit),
        confidence=measure.confidence(transcripts, choice.file) if unit == "words" else None,
    )


def _choose(measured: Measured, unit: Unit, rules: Rules) -> Choice:
    candidates = {
        name: Candidate(
            wer.total(measured.transcripts.edits(name, unit)), measured.speed.speedups.get(name, 0.0)
        )
        for name in measured.files
    }
    return choose(candidates, unit, rules.serve)


def _judge(measured: Measured, served_file: str, unit: Unit, rules: Rules) -> Verdict:
    transcripts, rival = measured.transcripts, measured.rival
    candidate = transcripts.edits(served_file, unit)
    if rival is None:
        return gate.judge_first(candidate, unit, rules.gate.max_error_rate)
    if rival.recogniser is None:
        return gate.judge_without_rival(candidate, unit, rival.model, rival.error)
    groups = [gate.group_of(each.source) for each in transcripts.utterances]
    production = transcripts.edits(rival.model, unit)
    verdict = gate.judge(candidate, production, groups, unit, rival.model, rules.gate)
    return gate.hold(verdict, rival.model, rival.pin) if rival.pin else verdict


def _artefact(name: str, measured: Measured, unit: Unit, choice: Choice) -> Artefact:
    transcripts, speed = measured.transcripts, measured.speed
    seconds = speed.seconds.get(name, 0.0)
    return Artefact(
        file=name,
        sha256=measured.files[name].sha256,
        size=measured.files[name].size,
        real_time_factor=seconds / speed.audio_s if speed.audio_s else 0.0,
        words=measure.summarise(transcripts.edits(name, "words")),
        words_by_decoder=_by_decoder(transcripts, name),
        characters=measure.summarise(transcripts.edits(name, "characters")),
        by_group=_by_group(transcripts, name, unit),
        speedup=speed.speedups.get(name, 0.0),
        latencies=measured.latencies.get(name, []),
        verdict=choice.verdicts[name],
    )


def _by_decoder(transcripts: Transcripts, name: str) -> dict[str, ErrorCounts]:
    columns = {decoder: measure.column(name, decoder) for decoder in get_args(DecoderName)}
    return {
        decoder: measure.summarise(transcripts.edits(column, "words"))
        for decoder, column in columns.items()
        if column in transcripts.hypotheses
    }


def _by_group(transcripts: Transcripts, name: str, unit: Unit) -> dict[str, ErrorCounts]:
    groups = [gate.group_of(each.source) for each in transcripts.utterances]
    edits = transcripts.edits(name, unit)
    return {
        wanted: measure.summarise([one for one, group in zip(edits, groups, strict=True) if group == wanted])
        for wanted in sorted(set(groups))
    }


def _describe_test(dataset: str, transcripts: Transcripts, unit: Unit) -> TestSet:
    return TestSet(
        dataset=dataset,
        utterances=len(transcripts.utterances),
        audio_s=sum(each.duration_s for each in transcripts.utterances),
        unit=unit,
        excluded_by_reason=dict(transcripts.excluded),
    )
