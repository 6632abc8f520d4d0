"""From measurements to decision.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args

from services.optimizer import gate, measure
from services.optimizer.gate import Verdict
from services.optimizer.measure import Decoders, Recogniser, Transcripts
from services.optimizer.records import (
    FP32,
    INT8,
    Artefact,
    Decision,
    ErrorCounts,
    Parity,
    Speed,
    TestSet,
)
from voxloom import wer
from voxloom.bundle import Export, FileHash, ProductionPointer, load_bundle
from voxloom.errors import BadInput, NewerSchema, NotFound
from voxloom.lm import DecoderName
from voxloom.storage import ObjectStore
from voxloom.wer import Unit, unit_of


@dataclass(frozen=True)
class Rival:
    """The model in production when the measuring began; without a recogniser it could not be loaded."""

    model: str
    recogniser: Recogniser | None = None
    error: str = ""


@dataclass(frozen=True)
class Measured:
    """All that was found out about a candidate. `transcripts` holds the rival's too, under its model id."""

    files: Mapping[str, FileHash]
    transcripts: Transcripts
    parity: Parity | None
    speed: Speed
    rival: Rival | None


def load_rival(store: ObjectStore, pointer: ProductionPointer | None) -> Rival | None:
    """None while nothing is in production. A damaged bundle is told of, not raised: a verdict needs it. One
    of a newer release is raised: that release can measure it."""
    if pointer is None:
        return None
    try:
        bundle = load_bundle(store, pointer.model)
        decoders = Decoders.of(bundle.record.decoding, bundle.tokenizer, bundle.language_model)
        return Rival(pointer.model, Recogniser(bundle.served_graph, decoders))
    except NewerSchema:
        raise
    except (BadInput, NotFound) as error:
        return Rival(pointer.model, error=str(error))


def decide(export: Export, measured: Measured, max_error_rate: float) -> Decision:
    transcripts = measured.transcripts
    unit = unit_of(transcripts.references)
    artefacts = {name: _artefact(name, measured, unit) for name in (FP32, INT8)}
    served_file, served_reason = _choose(measured, unit)
    verdict = _judge(measured, served_file, unit, max_error_rate)
    return Decision(
        model=export.model,
        run=export.run,
        dataset=export.dataset,
        created_at=datetime.now(UTC).isoformat(),
        outcome=verdict.outcome,
        reasons=verdict.reasons,
        production=measured.rival.model if measured.rival else "",
        served_file=served_file,
        served_reason=served_reason,
        test=_describe_test(export.dataset, transcripts, unit),
        artefacts=artefacts,
        parity=measured.parity,
        speed=measured.speed,
        comparisons=verdict.comparisons,
        worst=measure.worst(transcripts, served_file, unit),
    )


def _choose(measured: Measured, unit: Unit) -> tuple[str, str]:
    fp32, int8 = (wer.total(measured.transcripts.edits(name, unit)) for name in (FP32, INT8))
    return gate.choose_graph(fp32, int8, measured.speed, unit)


def _judge(measured: Measured, served_file: str, unit: Unit, limit: float) -> Verdict:
    transcripts, rival = measured.transcripts, measured.rival
    candidate = transcripts.edits(served_file, unit)
    if rival is None:
        return gate.judge_first(candidate, unit, limit)
    if rival.recogniser is None:
        return gate.judge_without_rival(candidate, unit, rival.model, rival.error)
    groups = [gate.group_of(each.source) for each in transcripts.utterances]
    return gate.judge(candidate, transcripts.edits(rival.model, unit), groups, unit, rival.model, limit)


def _artefact(name: str, measured: Measured, unit: Unit) -> Artefact:
    transcripts, speed = measured.transcripts, measured.speed
    seconds = speed.fp32_s if name == FP32 else speed.int8_s
    return Artefact(
        file=name,
        sha256=measured.files[name].sha256,
        size=measured.files[name].size,
        real_time_factor=seconds / speed.audio_s if speed.audio_s else 0.0,
        words=measure.summarise(transcripts.edits(name, "words")),
        words_by_decoder=_by_decoder(transcripts, name),
        characters=measure.summarise(transcripts.edits(name, "characters")),
        by_group=_by_group(transcripts, name, unit),
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
