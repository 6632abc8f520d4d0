"""A store in which the loop has gone round: datasets, trainings in all states, and models judged."""

import math
import time
from datetime import UTC, datetime, timedelta

from integration import bundle_maker

from services.optimizer.gate import compare
from services.optimizer.records import FP32, Artefact, Decision, ErrorCounts, Outcome
from services.optimizer.records import TestSet as TestedOn
from services.trainer.metrics import Example, Metrics
from services.trainer.recipes import choose
from services.trainer.runs import RunRecord
from voxloom import keys, wer
from voxloom.jobs import JobRecord, JobState
from voxloom.manifest import DatasetRecord, SplitSummary
from voxloom.record import to_line
from voxloom.storage import ObjectStore, write_model
from voxloom.wer import Edits

OLD, NEW, WORSE = "m-old", "m-new", "m-worse"
GOES_ON, FAILED = "r-2-tiny-s1", "r-2-tiny-s2"  # as the trainer names them
WHY_FAILED = "the disk is full: 0 bytes are free under /tmp, 2 GiB are needed"
_UTTERANCES, _WORDS = 130, 6


def write_history(store: ObjectStore) -> None:
    """`m-old`, then `m-new` which is served, then `m-worse` which was rejected; a run under way."""
    _dataset(store, "d-1", 900, hours=48)
    _dataset(store, "d-2", 1400, hours=2)
    _run(store, "r-old", "d-1", JobState.DONE, hours=40)
    _run(store, FAILED, "d-2", JobState.FAILED, hours=3, error=WHY_FAILED)
    _run(store, GOES_ON, "d-2", JobState.RUNNING, hours=0.2)
    _model(store, OLD, "promoted", ["the first model: WER 16.7 %"], errors=1.0, hours=39)
    bundle_maker.point_to(store, OLD)
    better = f"significantly better than {OLD} on the whole test set"
    _model(store, NEW, "promoted", [better], errors=0.5, hours=20, before=1.0)
    bundle_maker.point_to(store, NEW)
    worse = f"significantly worse than {NEW} on the whole test set"
    _model(store, WORSE, "rejected", [worse], errors=1.4, hours=1, before=0.5)


def write_curve(store: ObjectStore, run: str, epochs: int, of: int = 20, per_epoch: int = 12) -> None:
    """Loss and error rates fall, as they do."""
    lines = []
    for epoch in range(1, epochs + 1):
        for i in range(per_epoch):
            step = (epoch - 1) * per_epoch + i + 1
            left_s = 30.0 * (of * per_epoch - step)
            loss = 0.4 + 4 * math.exp(-step / 40) + 0.05 * math.sin(step)
            lines.append(_step(step, epoch, of, of * per_epoch, loss=loss, eta_s=left_s))
        lines.append(_epoch(epoch, of, epoch * per_epoch))
    store.put(keys.run_metrics(run), b"".join(map(to_line, lines)))


def _step(step: int, epoch: int, epochs: int, steps: int, loss: float, eta_s: float) -> Metrics:
    return Metrics(
        step=step,
        epoch=epoch,
        epochs=epochs,
        steps_total=steps,
        loss=loss,
        learning_rate=1e-3,
        audio_s_per_s=104.0,
        eta_s=eta_s,
    )


def _epoch(epoch: int, epochs: int, step: int) -> Metrics:
    rate = 0.07 + 0.93 * math.exp(-(epoch - 1) / 5)
    heard = "turn left at the bridge"[: 5 + 2 * epoch]
    examples = [Example(reference="turn left at the bridge", hypothesis=heard)]
    return Metrics(step=step, epoch=epoch, epochs=epochs, val_wer=rate, val_cer=rate / 2.5, examples=examples)


def _dataset(store: ObjectStore, name: str, train: int, hours: float) -> None:
    record = DatasetRecord(
        dataset=name,
        created_at=_ago(hours),
        considered=train + 200,
        splits={
            "train": SplitSummary(utterances=train, speakers=12, hours=train / 900),
            "val": SplitSummary(utterances=60, speakers=12, hours=0.07),
            "test": SplitSummary(utterances=_UTTERANCES, speakers=12, hours=0.15),
        },
        utterances_by_source={"user_recorded": train - 300, "commonvoice": 490},
        dropped_by_reason={"sentence_in_val_or_test": 8, "too_short": 2},
        dropped_examples={},
        dropped_fraction=10 / (train + 200),
        overlapping_test_sentences=0,
        alphabet=bundle_maker.LETTERS,
        languages=["en"],
        normalizer_version=1,
    )
    write_model(store, keys.dataset_record(name), record)


def _run(store: ObjectStore, run: str, dataset: str, state: JobState, hours: float, error: str = "") -> None:
    recipe, reason = choose(1.5, bundle_maker.LETTERS)
    record = RunRecord(
        run=run,
        dataset=dataset,
        seed=1,
        budget_minutes=0,
        recipe=recipe.to_dict(),
        recipe_reason=reason,
        train_hours=1.5,
        created_at=_ago(hours),
    )
    write_model(store, keys.run_record(run), record)
    write_curve(store, run, {JobState.DONE: 20, JobState.FAILED: 3}.get(state, 9))
    held = {"owner": "elsewhere", "lease_expires_at": time.time() + 3600} if state is JobState.RUNNING else {}
    job = JobRecord(
        id=run,
        kind="train",
        state=state,
        spec={"run": run, "dataset": dataset},
        created_at=_ago(hours),
        updated_at=_ago(hours),
        error=error,
        **held,
    )
    write_model(store, keys.job("train", run), job)


def _model(
    store: ObjectStore,
    model: str,
    outcome: Outcome,
    reasons: list[str],
    errors: float,
    hours: float,
    before: float | None = None,
) -> None:
    """`errors` a sentence, and `before`: those of the model in production."""
    run = f"r-{model.removeprefix('m-')}"
    bundle = bundle_maker.write_model_bundle(
        store, model, bundle_maker.graph(), run=run, dataset="d-1", created_at=_ago(hours)
    )
    edits = _edits(errors)
    comparisons = [] if before is None else [compare("all", edits, _edits(before))]
    file = bundle.files[FP32]
    decision = Decision(
        model=model,
        run=run,
        dataset="d-1",
        created_at=_ago(hours),
        outcome=outcome,
        reasons=reasons,
        served_file=FP32,
        served_reason="for a test",
        test=TestedOn(dataset="d-1", utterances=_UTTERANCES, audio_s=540.0),
        artefacts={
            FP32: Artefact(
                file=FP32, sha256=file.sha256, size=file.size, real_time_factor=0.02, words=_counts(edits)
            )
        },
        comparisons=comparisons,
    )
    write_model(store, keys.model_file(model, "decision.json"), decision)


def _edits(mean: float) -> list[Edits]:
    """So many errors a sentence on the whole, unevenly."""
    return [
        Edits(substitutions=math.floor(mean * (i + 1)) - math.floor(mean * i), reference=_WORDS)
        for i in range(_UTTERANCES)
    ]


def _counts(edits: list[Edits]) -> ErrorCounts:
    total = wer.total(edits)
    low, high = wer.bootstrap_interval(edits)
    return ErrorCounts(
        substitutions=total.substitutions,
        reference=total.reference,
        utterances=len(edits),
        rate=total.rate,
        low=low,
        high=high,
    )


def _ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
