"""What each service shows of the store: true, cheap, and nothing where nothing is known."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ingest_corpora import run_next
from integration import bundle_maker
from scraping import series

from services.inference.gauges import look_at_serving
from services.inference.models import Models
from services.inference.pool import Pool
from services.inference.recognize import Pcm16, read_audio, recognize
from services.inference.streaming import Pace, StreamTranscriber
from services.ingest import dataset
from services.ingest.gauges import DataGauges
from services.ingest.policy import Thresholds
from services.ingest.retrain import Retrain
from services.optimizer.gauges import ModelGauges
from services.optimizer.records import INT8, Artefact, Decision, ErrorCounts, TestSet
from services.trainer.gauges import TrainingGauges
from services.trainer.metrics import Metrics, MetricsLog
from services.trainer.runs import KIND
from voxloom import keys
from voxloom.audio import encode_wav
from voxloom.bus import MemoryBus
from voxloom.errors import Exhausted
from voxloom.jobs import Jobs
from voxloom.manifest import DatasetRecord, SplitSummary
from voxloom.metrics import REGISTRY
from voxloom.storage import FolderStore, write_model


class Watched(FolderStore):
    """Remembers what was read and listed."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read: list[str] = []
        self.listed: list[str] = []

    def open(self, key: str) -> Any:
        self.read.append(key)
        return super().open(key)

    def list_page(self, prefix: str, **options: Any) -> Any:
        self.listed.append(prefix)
        return super().list_page(prefix, **options)


@pytest.fixture
def store(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def dataset_record(name: str) -> DatasetRecord:
    return DatasetRecord(
        dataset=name,
        created_at="2026-01-01T00:00:00+00:00",
        considered=5,
        splits={
            "train": SplitSummary(utterances=3, hours=0.5),
            "val": SplitSummary(utterances=1, hours=0.25),
            "test": SplitSummary(),
        },
        utterances_by_source={"imported": 4},
        dropped_by_reason={"no_text": 1},
        dropped_examples={},
        dropped_fraction=0.2,
        overlapping_test_sentences=0,
        alphabet=" a",
        languages=["en"],
        normalizer_version=1,
    )


def test_ingest_shows_the_last_count_and_the_newest_dataset_and_never_lists_raw(store: Watched) -> None:
    jobs = Jobs(store)
    retrain = Retrain(store, jobs, Thresholds(first=3, new=2, quiet_s=0), lambda: None)
    gauges = DataGauges(store, retrain)
    assert series(gauges()) == {}
    for name in ("a", "b"):
        store.put(f"raw/user_recorded/me/{name}.json", b"{}")
    retrain.step()
    assert series(gauges()) == {"voxloom_retrain_new_utterances": 2, "voxloom_retrain_needed_utterances": 3}
    jobs.submit(dataset.KIND, "asked", {})
    run_next(jobs, dataset.KIND, lambda record, lease: {"dataset": "d-1", "stored": 1})
    assert 'voxloom_dataset_info{dataset="d-1"}' not in series(gauges())
    write_model(store, keys.dataset_record("d-1"), dataset_record("d-1"))
    store.read.clear()
    store.listed.clear()
    for _ in range(3):
        found = series(gauges())
    assert (found["voxloom_retrain_new_utterances"], found["voxloom_retrain_needed_utterances"]) == (1, 2)
    assert found['voxloom_dataset_info{dataset="d-1"}'] == 1
    assert found['voxloom_dataset_utterances{split="train"}'] == 3
    assert found['voxloom_dataset_audio_seconds{split="val"}'] == 900
    assert found['voxloom_dataset_dropped_utterances{reason="no_text"}'] == 1
    assert found["voxloom_dataset_created_timestamp_seconds"] == 1767225600
    assert [key for key in store.read if key.endswith("dataset.json")] == ["manifests/d-1/dataset.json"]
    assert "raw/" not in store.listed
    retrain.close()


STEP = Metrics(
    epoch=1, epochs=9, steps_total=90, loss=2.5, learning_rate=0.001, audio_s_per_s=40.0, eta_s=60.0
)


class Run:
    """A training run as the store sees it."""

    def __init__(self, store: Watched, name: str) -> None:
        self.jobs = Jobs(store)
        self.jobs.submit(KIND, name, {"run": name, "dataset": "d-1"})
        self.log = MetricsLog(store, name, 0, lambda line: None)

    def write(self, line: Metrics) -> None:
        self.log.epoch(line)
        self.log.flush()


def test_the_trainer_shows_where_the_newest_run_stands(store: Watched) -> None:
    run = Run(store, "r-1")
    gauges = TrainingGauges(store, Jobs(store))
    assert series(gauges()) == {'voxloom_training_run_info{dataset="d-1",run="r-1"}': 1}
    lease = run.jobs.claim(KIND)
    assert lease is not None
    run.write(STEP)
    run.write(Metrics(epoch=2, epochs=9, val_wer=0.9, val_cer=0.5))
    run.write(Metrics(epoch=3, epochs=9))  # the end of an epoch without a validation
    found = series(gauges())
    assert found["voxloom_training_epoch"] == 3
    assert found["voxloom_training_epochs"] == 9
    assert found["voxloom_training_loss"] == 2.5
    assert found["voxloom_training_learning_rate"] == 0.001
    assert found["voxloom_training_val_wer_ratio"] == 0.9
    assert found["voxloom_training_val_cer_ratio"] == 0.5
    assert found["voxloom_training_audio_seconds_per_second"] == 40
    assert found["voxloom_training_eta_seconds"] == 60
    lease.complete({})
    assert "voxloom_training_eta_seconds" not in series(gauges())


def test_a_curve_is_read_again_only_when_it_has_grown(store: Watched) -> None:
    run = Run(store, "r-1")
    gauges = TrainingGauges(store, Jobs(store))
    store.read.clear()
    for loss in (2.0, 1.0):
        run.write(STEP.model_copy(update={"loss": loss}))
        for _ in range(3):
            assert series(gauges())["voxloom_training_loss"] == loss
    assert store.read.count(keys.run_metrics("r-1")) == 2


def decision(model: str, day: int, outcome: str, rate: float, reference: int = 100) -> Decision:
    words = ErrorCounts(reference=reference, rate=rate, low=rate - 0.01, high=rate + 0.01)
    served = Artefact(
        file=INT8, sha256="", size=1, words=words, characters=ErrorCounts(reference=400, rate=rate / 2)
    )
    return Decision.model_validate(
        {
            "model": model,
            "run": "r",
            "dataset": "d-1",
            "created_at": f"2026-01-{day:02d}T00:00:00+00:00",
            "outcome": outcome,
            "reasons": [],
            "served_file": INT8,
            "served_reason": "",
            "test": TestSet(dataset="d-1", utterances=1, audio_s=1),
            "artefacts": {INT8: served},
        }
    )


def decide(store: FolderStore, made: Decision) -> None:
    bundle_maker.write_model_bundle(store, made.model, b"")
    write_model(store, keys.model_file(made.model, "decision.json"), made)


def test_the_optimizer_shows_production_beside_the_last_candidate(store: Watched) -> None:
    gauges = ModelGauges(store)
    assert series(gauges()) == {
        "voxloom_models": 0,
        'voxloom_gate_decisions{outcome="promoted"}': 0,
        'voxloom_gate_decisions{outcome="held"}': 0,
        'voxloom_gate_decisions{outcome="rejected"}': 0,
    }
    decide(store, decision("m-b", 1, "promoted", 0.2))
    decide(store, decision("m-a", 2, "rejected", 0.3))
    bundle_maker.point_to(store, "m-b")
    store.read.clear()
    for _ in range(3):
        found = series(gauges())
    assert found["voxloom_models"] == 2
    assert found['voxloom_gate_decisions{outcome="promoted"}'] == 1
    assert found['voxloom_gate_decisions{outcome="rejected"}'] == 1
    assert found['voxloom_gate_test_wer_ratio{role="production"}'] == 0.2
    assert found['voxloom_gate_test_wer_ratio{role="candidate"}'] == 0.3
    assert found['voxloom_gate_test_wer_bound_ratio{bound="low",role="candidate"}'] == pytest.approx(0.29)
    assert found['voxloom_gate_test_cer_ratio{role="production"}'] == 0.1
    assert found['voxloom_gate_decided_timestamp_seconds{role="production"}'] == 1767225600
    labels = 'dataset="d-1",model="m-a",outcome="rejected",role="candidate"'
    assert found[f"voxloom_gate_model_info{{{labels}}}"] == 1
    assert len([key for key in store.read if key.endswith("decision.json")]) == 2


def test_a_model_that_was_measured_on_nothing_shows_no_error_rate(store: Watched) -> None:
    decide(store, decision("m-a", 1, "rejected", 0.0, reference=0))
    found = series(ModelGauges(store)())
    assert not [name for name in found if name.startswith("voxloom_gate_test_wer")]


def counted(name: str, **labels: str) -> float:
    value = REGISTRY.get_sample_value(name, labels)
    assert value is not None, f"{name} begins at 0"
    return value


def test_inference_shows_its_model_and_counts_what_it_hears_and_refuses(store: Watched) -> None:
    samples = bundle_maker.say("bed cafe")
    bus, pool = MemoryBus(), Pool(threads=1, max_calls=1, max_streams=2)
    models = Models(store, bus)
    look = look_at_serving(models, pool)
    loads, audio = counted("voxloom_serving_model_loads_total", outcome="loaded"), {}
    for kind in ("calls", "streams"):
        audio[kind] = counted("voxloom_inference_audio_seconds_total", kind=kind)
    refused = counted("voxloom_inference_refused_total", kind="calls")
    compute = counted("voxloom_inference_compute_seconds_total", kind="streams")
    bundle_maker.write_model_bundle(store, "m-a", bundle_maker.graph())
    bundle_maker.point_to(store, "m-a")
    models.reconcile()

    async def hear() -> None:
        await recognize(models.current(), pool, partial(read_audio, encode_wav(samples), None, 60))
        stream = StreamTranscriber(models.current(), pool, Pcm16(16000, 1), False, Pace.of(0.3, 1.2))
        assert [result async for result in stream.push((samples * 32767).astype("<i2").tobytes())] == []
        assert [result.is_final async for result in stream.finish()] == [True]

    asyncio.run(hear())
    with pool.calls.enter(), pytest.raises(Exhausted), pool.calls.enter():
        pass
    found = series(look())
    pool.close()
    bus.close()
    length_s = len(samples) / 16000
    assert counted("voxloom_serving_model_loads_total", outcome="loaded") == loads + 1
    for kind, before in audio.items():
        heard_s = counted("voxloom_inference_audio_seconds_total", kind=kind) - before
        assert heard_s == pytest.approx(length_s, abs=0.01)
    assert counted("voxloom_inference_compute_seconds_total", kind="streams") > compute
    assert counted("voxloom_inference_refused_total", kind="calls") == refused + 1
    assert found['voxloom_inference_limit{kind="streams"}'] == 2
    assert found['voxloom_inference_active{kind="calls"}'] == 0
    assert 'model="m-a"' in next(name for name in found if name.startswith("voxloom_serving_model_info"))
    assert found["voxloom_serving_model_load_seconds"] > 0
