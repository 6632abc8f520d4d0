"""The optimize job: from the trainer's export to a measured bundle, a decision, perhaps a promotion."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from services.optimizer import candidates, catalogue, measure, promote, testset
from services.optimizer.candidates import Graphs
from services.optimizer.decide import Measured, Rival, decide, load_rival
from services.optimizer.exports import TOKENS, Exported, read_export
from services.optimizer.measure import Decoders, Recogniser, Transcripts
from services.optimizer.records import FP32, Decision, HypothesisLine
from services.optimizer.rules import STANDARD, Rules
from services.optimizer.streaming import Live, measure_streaming
from voxloom import keys, lm, storage
from voxloom.bundle import (
    Bundle,
    FileHash,
    GateVerdict,
    hash_bytes,
    load_bundle,
    read_pointer,
    write_bundle,
    write_file,
)
from voxloom.bus import EventBus, new_event
from voxloom.engine import Engine
from voxloom.errors import Conflict
from voxloom.jobs import JobRecord, Lease
from voxloom.manifest import Utterance
from voxloom.record import to_line
from voxloom.runtime import announce
from voxloom.storage import ObjectStore
from voxloom.v1.events_pb2 import ModelPromoted, ModelRejected

KIND = "optimize"
_SOURCE = "optimizer"
_CLIPS = 8  # for parity and speed
_TRIES = 5
_log = logging.getLogger(__name__)


class OptimizeJob:
    """Runs one job; run again after a crash it repeats the measuring, but never a decision that stands."""

    def __init__(self, store: ObjectStore, bus: EventBus, threads: int, rules: Rules = STANDARD) -> None:
        self._store = store
        self._bus = bus
        self._threads = threads
        self._rules = rules

    def run(self, job: JobRecord, lease: Lease) -> dict[str, Any]:
        """Returns outcome and reasons, the job's result."""
        exported = read_export(self._store, job.spec["run"])
        for _ in range(_TRIES):
            decision = finish(self._store, self._bus, exported.record.model, exported.record.trace)
            if decision:
                return _result(decision)
            self._measure_and_decide(exported, lease)
        raise Conflict(f"production was moved {_TRIES} times while {exported.record.model} was measured")

    def _measure_and_decide(self, exported: Exported, lease: Lease) -> None:
        """Leaves no decision when somebody moved the production pointer in the meantime."""
        pointer, etag = read_pointer(self._store)
        clips = candidates.calibration_clips(self._store, exported.record.dataset)
        graphs = candidates.make(exported.graph, clips, self._rules.serve)
        measured = self._measure(exported, graphs, load_rival(self._store, pointer), lease)
        decision = decide(exported.record, measured, self._rules)
        live = self._measure_streaming(exported, measured.transcripts, decision.served_file, lease)
        decision = decision.model_copy(update={"streaming": live.verdict})
        lease.check()
        if read_pointer(self._store)[1] == etag:
            self._write(exported, graphs, measured.transcripts, decision, live)
            if decision.outcome != "promoted":
                tell(self._bus, decision, exported.record.trace)

    def _measure(self, exported: Exported, graphs: Graphs, rival: Rival | None, lease: Lease) -> Measured:
        utterances = testset.read_utterances(self._store, exported.record.dataset)
        decoders = Decoders.of(exported.record.decoding, exported.tokenizer, exported.language_model)
        every = {name: Recogniser(graph, decoders) for name, graph in graphs.made.items()}
        clips = testset.some_clips(self._store, utterances, _CLIPS)
        parity = measure.check_parity(Engine(exported.graph), every[FP32].engine, clips) if clips else None
        speed = measure.measure_speed(every, clips)
        latencies = measure.measure_latencies(graphs.made, sorted({1, self._threads}))
        lease.check()
        heard_by = every | ({rival.model: rival.recogniser} if rival and rival.recogniser else {})
        transcripts = self._transcribe(utterances, heard_by, lease)
        files = {name: hash_bytes(data) for name, data in graphs.made.items()}
        return Measured(files, transcripts, parity, speed, rival, latencies, graphs.not_made)

    def _transcribe(
        self, utterances: Sequence[Utterance], recognisers: Mapping[str, Recogniser], lease: Lease
    ) -> Transcripts:
        message = f"measuring {', '.join(recognisers)} on {len(utterances)} test utterances"
        _log.info(message)

        def progress(done: int) -> None:
            lease.progress(done, len(utterances), message)

        return measure.transcribe_all(self._store, utterances, recognisers, self._threads, progress)

    def _measure_streaming(
        self, exported: Exported, transcripts: Transcripts, served_file: str, lease: Lease
    ) -> Live:
        total = len(transcripts.utterances)

        def progress(done: int) -> None:
            lease.progress(done, total, f"measuring streams on {total} test utterances")

        return measure_streaming(
            self._store,
            exported,
            transcripts,
            served_file,
            self._rules.serve.max_loss,
            self._threads,
            progress,
        )

    def _write(
        self,
        exported: Exported,
        graphs: Graphs,
        transcripts: Transcripts,
        decision: Decision,
        live: Live,
    ) -> None:
        """Files, then the bundle that names them, then the decision, which makes all of it count."""
        model = decision.model
        files = {**_files(exported, candidates.kept(graphs, decision.served_file)), **live.files}
        hashes = {name: write_file(self._store, model, name, data) for name, data in files.items()}
        lines = _hypothesis_lines(transcripts, decision.served_file)
        write_file(self._store, model, catalogue.HYPOTHESES, lines)
        write_bundle(self._store, _bundle(exported, hashes, decision, live))
        load_bundle(self._store, model)  # what inference will do: a fault shows here, before anything counts
        write_decision(self._store, decision)


def finish(store: ObjectStore, bus: EventBus, model: str, trace: str) -> Decision | None:
    """The decision that stands, the pointer moved if it says so; None while there is none.

    A promotion stands only against the production model that it was measured against. One that took place is
    never repeated, for it may have been rolled back.
    """
    decision, _ = catalogue.read_decision(store, model)
    pointer, etag = read_pointer(store)
    if decision is None or decision.outcome != "promoted" or promote.was_promoted(pointer, model):
        return decision
    if decision.production != (pointer.model if pointer else "") or (pointer and pointer.pin):
        return None
    try:
        promote.move(store, pointer, etag, model, "; ".join(decision.reasons))
    except Conflict:
        return finish(store, bus, model, trace)  # somebody was faster: look at what is there now
    tell(bus, decision, trace)
    return decision


def tell(bus: EventBus, decision: Decision, trace: str) -> None:
    """ModelPromoted, or ModelRejected of one that was rejected or held; with the reasons."""
    model, production, reasons = decision.model, decision.production, decision.reasons
    _log.info("%s is %s: %s", model, decision.outcome, "; ".join(reasons))
    promoted = ModelPromoted(model=model, previous=production, reasons=reasons)
    rejected = ModelRejected(model=model, production=production, reasons=reasons)
    body = promoted if decision.outcome == "promoted" else rejected
    announce(bus, new_event(_SOURCE, model, body, trace))


def write_decision(store: ObjectStore, decision: Decision) -> None:
    """Created once. One against another production model is replaced: its promotion never took place."""
    standing, etag = catalogue.read_decision(store, decision.model)
    key = keys.model_file(decision.model, catalogue.DECISION)
    if standing is None:
        storage.write_model(store, key, decision, if_absent=True)
    else:
        storage.write_model(store, key, decision, if_match=etag)


def _result(decision: Decision) -> dict[str, Any]:
    return {"outcome": decision.outcome, "reasons": decision.reasons, "served_file": decision.served_file}


def _files(exported: Exported, graphs: Mapping[str, bytes]) -> dict[str, bytes]:
    language_model = {lm.FILE: exported.language_model.arpa} if exported.language_model else {}
    return {**graphs, TOKENS: exported.tokens, **language_model}


def _bundle(exported: Exported, hashes: dict[str, FileHash], decision: Decision, live: Live) -> Bundle:
    export = exported.record
    return Bundle(
        model=export.model,
        run=export.run,
        dataset=export.dataset,
        created_at=datetime.now(UTC).isoformat(),
        files=hashes,
        served_file=decision.served_file,
        languages=export.languages,
        normalizer_version=export.normalizer_version,
        feature_version=export.feature_version,
        subsampling=export.subsampling,
        parameters=export.parameters,
        recipe=export.recipe,
        decoding=export.decoding,
        verdict=GateVerdict(
            outcome=decision.outcome,
            reasons=decision.reasons,
            production=decision.production,
            served_reason=decision.served_reason,
        ),
        streaming=live.serves,
        trace=export.trace,
    )


def _hypothesis_lines(transcripts: Transcripts, served_file: str) -> bytes:
    """One JSON line an utterance, so that a report can be scored again."""
    rows = zip(transcripts.utterances, transcripts.hypotheses[served_file], strict=True)
    return b"".join(
        to_line(
            HypothesisLine(
                key=utterance.utterance,
                text=hypothesis,
                reference=utterance.text,
                source=utterance.source,
                corpus=utterance.corpus,
                speaker=utterance.speaker,
                duration_s=utterance.duration_s,
            )
        )
        for utterance, hypothesis in rows
    )
