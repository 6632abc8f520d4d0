"""An export becomes a measured bundle, a decision and perhaps a promotion; each step can run twice."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from integration import bundle_maker

from services.optimizer import catalogue, command, optimize, promote, testset
from services.optimizer.measure import Decoders, Recogniser, transcribe_all
from services.optimizer.optimize import KIND, OptimizeJob
from services.optimizer.reconcile import Reconcile
from services.optimizer.records import FP16, FP32, FUSED, INT8, STATIC, Decision
from services.optimizer.rules import Rules, ServeRules
from voxloom import keys
from voxloom.bundle import load_bundle, read_pointer
from voxloom.bus import MemoryBus
from voxloom.confidence import Calibration
from voxloom.errors import BadInput, NotFound, NotReady
from voxloom.jobs import Jobs
from voxloom.lm import Decoding
from voxloom.storage import FolderStore
from voxloom.tokenizer import read_tokens_txt
from voxloom.v1.events_pb2 import Event

TEXTS = bundle_maker.sentences(10, words=2)


class World:
    """A store, a bus and the optimizer's parts, driven by hand."""

    def __init__(self, root: Path) -> None:
        self.store = FolderStore(root)
        self.bus = MemoryBus()
        self.jobs = Jobs(self.store)
        self.events: list[Event] = []
        self.bus.tail(self.events.append)
        self.reconcile = Reconcile(self.store, self.bus, self.jobs)
        self.rules = Rules()

    def dataset(self, texts: Sequence[str] = TEXTS, sources: Sequence[str] = ("imported",)) -> None:
        self.utterances = bundle_maker.write_dataset(self.store, "d-1", texts, sources)

    def export(self, name: str, deaf_to: str = "", **language: Any) -> None:
        bundle_maker.write_export(self.store, f"r-{name}", "d-1", bundle_maker.graph(deaf_to), **language)

    def run(self) -> dict[str, Any]:
        """Reconciles and runs the job that comes of it."""
        self.reconcile()
        lease = self.jobs.claim(KIND)
        assert lease, "no job was submitted"
        with lease:
            result = OptimizeJob(self.store, self.bus, threads=2, rules=self.rules).run(lease.record, lease)
            lease.complete(result)
        return result

    def decision(self, name: str) -> Decision:
        found, _ = catalogue.read_decision(self.store, f"m-{name}")
        assert found
        return found

    def history(self) -> list[str]:
        pointer, _ = read_pointer(self.store)
        return [entry.model for entry in pointer.history] if pointer else []

    def heard(self, kind: str) -> Event:
        eventually(lambda: any(event.WhichOneof("body") == kind for event in self.events))
        return next(event for event in reversed(self.events) if event.WhichOneof("body") == kind)


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.bus.close()


def test_the_first_model_is_measured_and_promoted(world: World) -> None:
    world.dataset()
    world.export("one", deaf_to="h")
    result = world.run()
    assert result["outcome"] == "promoted"
    assert world.history() == ["m-one"]
    decision = world.decision("one")
    assert decision.production == ""
    assert decision.test.utterances == len(TEXTS)
    assert decision.artefacts["model.onnx"].words.reference == 20
    assert 0 < decision.served.words.rate < 0.9
    assert decision.worst[0].errors >= decision.worst[-1].errors > 0
    assert decision.parity
    assert decision.parity.max_abs_difference <= 1e-3
    assert load_bundle(world.store, "m-one").record.served_file == decision.served_file
    event = world.heard("model_promoted")
    assert event.model_promoted.model == "m-one"
    assert event.header.trace == "trace-1"


def test_the_gate_decodes_with_the_language_model_if_it_is_served(world: World) -> None:
    world.dataset()
    language = bundle_maker.knows(*({*bundle_maker.WORDS} - {"bed", "head"}))
    world.export("one", **language)
    world.run()
    served = world.decision("one").served
    assert served.words == served.words_by_decoder["beam"]
    assert served.words_by_decoder["greedy"].errors == 0
    said = " ".join(TEXTS).split()
    assert served.words.errors == said.count("bed") + said.count("head") > 0
    bundle = load_bundle(world.store, "m-one")
    assert bundle.record.decoding == language["decoding"]
    assert bundle.language_model
    assert bundle.language_model.arpa == language["arpa"]


@pytest.mark.parametrize("change", [b"", b"x"])
def test_a_language_model_that_is_not_as_exported_is_refused(world: World, change: bytes) -> None:
    world.dataset()
    world.export("one", **bundle_maker.knows("bed"))
    key = keys.export_file("r-one", "lm/lm.arpa")
    world.store.put(key, world.store.get(key).replace(b"bed", b"bad") + change)
    with pytest.raises(BadInput, match=r"lm/lm\.arpa is damaged"):
        world.run()


def test_what_an_older_model_writes_in_digits_is_held_against_words(world: World) -> None:
    """Dataset and model of the first normaliser: `5` in the manifest, and a token `5` for the tone of b."""
    [utterance] = bundle_maker.write_dataset(world.store, "d-1", ["b bad"])
    older = read_tokens_txt(bundle_maker.tokens().decode().replace("b ", "5 "))
    row = utterance.model_copy(update={"text": "5 5ad"})
    heard = transcribe_all(
        world.store,
        [row],
        {"older": Recogniser(bundle_maker.graph(), Decoders.of(Decoding(), older, None))},
        1,
        lambda _: None,
    )
    assert heard.references == heard.hypotheses["older"] == ["five five ad"]
    assert [each.errors for each in heard.edits("older", "words")] == [0]


def test_the_hypotheses_are_kept_and_score_to_the_same_figures(world: World) -> None:
    world.dataset()
    world.export("one", deaf_to="h")
    world.run()
    lines = world.store.get(keys.model_file("m-one", "test_hypotheses.jsonl")).decode().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["key"] for row in rows] == [each.utterance for each in world.utterances]
    wrong = sum(row["text"] != row["reference"] for row in rows)
    assert wrong == len(world.decision("one").worst)
    assert all("h" not in row["text"] for row in rows)


def test_confidence_is_measured_as_it_is_served(world: World) -> None:
    """Deaf to h, it is sure of words that are wrong; a calibration that knows better is nearer."""
    world.dataset()
    world.export("one", deaf_to="h")
    world.run()
    severe = Calibration(bias=-2.5, slope=1.0, letters=0.0, words=500, wrong=9, error_before=0.2, error=0.0)
    world.export("two", deaf_to="h", decoding=Decoding(confidence=severe))
    world.run()
    one, two = world.decision("one").confidence, world.decision("two").confidence
    assert one.words == two.words == sum(each.words for each in one.bins) > 10
    assert two.error != one.error
    assert max(each.confidence for each in two.bins) < max(each.confidence for each in one.bins)
    bundle = load_bundle(world.store, "m-two").record
    assert bundle.decoding.confidence == severe


def test_a_better_model_replaces_the_one_in_production(world: World) -> None:
    world.dataset()
    world.export("one", deaf_to="fh")
    world.run()
    world.export("two")
    assert world.run()["outcome"] == "promoted"
    assert world.history() == ["m-one", "m-two"]
    assert world.decision("two").comparisons[0].candidate_errors == 0
    assert world.decision("two").comparisons[0].production_errors > 0
    assert world.heard("model_promoted").model_promoted.previous == "m-one"


def test_every_graph_is_measured_and_one_is_chosen(world: World) -> None:
    world.dataset()
    world.rules = Rules(serve=ServeRules(fp16=True, min_speedup=0, max_loss=1))
    world.export("one")
    world.run()
    decision = world.decision("one")
    assert list(decision.artefacts) == [FP32, FUSED, INT8, STATIC, FP16]
    assert decision.not_made == {}
    assert decision.rules == world.rules
    for each in decision.artefacts.values():
        assert each.words.reference == 20
        assert each.size > 0
        assert each.speedup > 0
        assert {one.threads for one in each.latencies} == {1, 2}
        assert f"{each.words.errors} errors in 20 words" in each.verdict
    fastest = max((FUSED, INT8, STATIC), key=lambda name: decision.artefacts[name].speedup)
    assert decision.served_file == fastest
    bundle = load_bundle(world.store, "m-one").record
    assert set(bundle.files) == {FP32, INT8, FP16, fastest, "tokens.txt"}
    assert bundle.files[fastest].sha256 == decision.served.sha256


def test_float32_is_served_where_nothing_is_faster(world: World) -> None:
    world.dataset()
    world.rules = Rules(serve=ServeRules(min_speedup=100))
    world.export("one")
    world.run()
    decision = world.decision("one")
    assert decision.served_file == FP32
    assert "should be at least 100 times as fast" in decision.served_reason
    assert "VOXLOOM_OPTIMIZER_FP16" in decision.not_made[FP16]
    assert set(load_bundle(world.store, "m-one").record.files) == {FP32, INT8, "tokens.txt"}


def test_a_dataset_without_val_has_nothing_to_calibrate_on(world: World) -> None:
    bundle_maker.write_dataset(world.store, "d-1", TEXTS, val=())
    world.export("one")
    world.run()
    assert list(world.decision("one").artefacts) == [FP32, FUSED, INT8]
    assert "no usable val clip" in world.decision("one").not_made[STATIC]


def test_the_bundle_says_what_was_decided_of_it(world: World) -> None:
    world.dataset()
    for name, deaf_to in (("one", ""), ("two", "f")):
        world.export(name, deaf_to)
        world.run()
        decision, bundle = world.decision(name), load_bundle(world.store, f"m-{name}").record
        assert bundle.verdict
        assert bundle.verdict.outcome == decision.outcome
        assert bundle.verdict.reasons == decision.reasons
        assert bundle.verdict.production == decision.production
        assert bundle.verdict.served_reason == decision.served_reason
    assert list(world.heard("model_rejected").model_rejected.reasons) == decision.reasons


def test_while_a_model_is_pinned_a_better_one_is_judged_and_held(world: World) -> None:
    world.dataset()
    world.export("one", deaf_to="fh")
    world.run()
    command.pin_model(world.store, "", "until Sunday")
    world.export("two")
    assert world.run()["outcome"] == "held"
    assert world.history() == ["m-one"]
    decision = world.decision("two")
    assert "m-one has been pinned" in decision.reasons[0]
    assert "(until Sunday)" in decision.reasons[0]
    assert "significantly better than m-one" in decision.reasons[1]
    assert "pinned" in world.heard("model_rejected").model_rejected.reasons[0]
    world.reconcile()
    with pytest.raises(NotReady, match="unpin it first"):
        command.promote_model(world.store, world.bus, "m-two", force=True)
    command.unpin_model(world.store)
    world.reconcile()
    assert world.history() == ["m-one"], "it was held: a person promotes it"
    assert command.promote_model(world.store, world.bus, "m-two", force=False) == "m-one"
    assert world.history() == ["m-one", "m-two"]


def test_a_pin_that_comes_during_the_measuring_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.dataset()
    world.export("one", deaf_to="fh")
    world.run()
    world.export("two")
    lose_the_move(world, monkeypatch)
    assert world.decision("two").outcome == "promoted"
    command.pin_model(world.store, "m-one", "")
    lease_free(world, "two")
    assert world.run()["outcome"] == "held"
    assert world.decision("two").outcome == "held"
    assert world.history() == ["m-one"]


def test_a_worse_model_is_rejected_and_can_be_forced(world: World) -> None:
    world.dataset()
    world.export("one")
    world.run()
    world.export("two", deaf_to="f")
    assert world.run()["outcome"] == "rejected"
    assert world.history() == ["m-one"]
    assert world.heard("model_rejected").model_rejected.production == "m-one"
    with pytest.raises(NotReady, match="significantly worse than m-one"):
        command.promote_model(world.store, world.bus, "m-two", force=False)
    assert command.promote_model(world.store, world.bus, "m-two", force=True) == "m-one"
    assert command.rollback_model(world.store, world.bus) == ("m-one", "m-two")
    assert world.history() == ["m-one", "m-two", "m-one"]


def test_own_voice_and_the_others_are_told_apart(world: World) -> None:
    world.dataset(sources=("user_recorded", "imported"))
    world.export("one")
    world.run()
    world.export("two")
    world.run()
    groups = [each.group for each in world.decision("two").comparisons]
    assert groups == ["all", "own voice", "general"]
    assert set(world.decision("two").served.by_group) == {"own voice", "general"}


def test_the_streaming_graph_is_measured_and_kept_with_the_program(world: World) -> None:
    world.dataset()
    world.export("one", deaf_to="h", streaming=bundle_maker.streaming_graph(deaf_to="h"))
    world.run()
    bundle, verdict = load_bundle(world.store, "m-one"), world.decision("one").streaming
    assert verdict
    assert bundle.record.streaming
    assert bundle.record.streaming.file == verdict.served_file != ""
    assert ("int8" in verdict.served_file) == ("int8" in bundle.record.served_file)
    assert bundle.record.streaming.chunk_ms == 640
    greedy = world.decision("one").served.words_by_decoder["greedy"]
    assert bundle.record.streaming.wer == bundle.record.streaming.wer_whole == greedy.rate > 0
    assert bundle.streaming_graph == world.store.get(f"models/m-one/{verdict.served_file}")
    assert {"streaming.onnx", "model.pt2"} <= bundle.record.files.keys()


def test_a_streaming_graph_that_hears_much_worse_is_not_served(world: World) -> None:
    world.dataset()
    world.export("one", streaming=bundle_maker.streaming_graph(deaf_to="h"))
    world.run()
    verdict = world.decision("one").streaming
    assert verdict
    assert verdict.served_file == ""
    assert "too many" in verdict.reason
    assert verdict.wer > verdict.wer_whole == 0.0
    assert load_bundle(world.store, "m-one").record.streaming is None


def test_an_export_of_a_release_without_streams_is_served_without(world: World) -> None:
    world.dataset()
    world.export("one")
    world.run()
    assert world.decision("one").streaming is None
    assert load_bundle(world.store, "m-one").streaming_graph is None


def test_a_damaged_streaming_graph_fails_and_names_the_file(world: World) -> None:
    world.dataset()
    world.export("one", streaming=bundle_maker.streaming_graph())
    world.store.put("runs/r-one/export/streaming.onnx", b"x")
    with pytest.raises(BadInput, match=r"runs/r-one/export/streaming\.onnx is damaged"):
        world.run()


def test_an_empty_test_set_promotes_nothing(world: World) -> None:
    world.dataset(texts=[])
    world.export("one")
    assert world.run()["outcome"] == "rejected"
    assert "no usable utterance" in world.decision("one").reasons[0]
    assert world.history() == []
    assert command.promote_model(world.store, world.bus, "m-one", force=True) == ""


def test_withdrawn_and_changed_audio_is_left_out_and_counted(world: World) -> None:
    world.dataset()
    world.export("one")
    world.store.delete(world.utterances[0].audio_key)
    world.store.put(world.utterances[1].audio_key, world.store.get(world.utterances[2].audio_key))
    world.run()
    test = world.decision("one").test
    assert test.utterances == len(TEXTS) - 2
    assert test.excluded_by_reason == {"audio deleted": 1, "audio changed": 1}


def test_a_damaged_export_fails_and_names_the_file(world: World) -> None:
    world.dataset()
    world.export("one")
    world.store.put("runs/r-one/export/model.onnx", bundle_maker.graph() + b"x")
    with pytest.raises(BadInput, match=r"runs/r-one/export/model\.onnx is damaged"):
        world.run()
    assert catalogue.read_decision(world.store, "m-one")[0] is None


def test_a_damaged_production_model_stops_promotions_until_a_person_acts(world: World) -> None:
    world.dataset()
    world.export("one")
    world.run()
    world.store.put("models/m-one/tokens.txt", b"<blk> 0\n")
    world.export("two")
    assert world.run()["outcome"] == "rejected"
    assert "m-one is in production but cannot be measured" in world.decision("two").reasons[0]
    command.promote_model(world.store, world.bus, "m-two", force=True)
    assert world.history() == ["m-one", "m-two"]


def test_production_that_changes_during_the_measuring_is_measured_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody promotes a perfect model while a worse one is measured against a still worse one."""
    world.dataset()
    world.export("bad", deaf_to="fh")
    world.run()
    world.export("middle", deaf_to="h")
    bundle_maker.write_model_bundle(world.store, "m-perfect", bundle_maker.graph())
    real, calls = testset.for_each, []

    def interrupted(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 1:
            promote.by_hand(world.store, "m-perfect")
        return real(*args)

    monkeypatch.setattr(testset, "for_each", interrupted)
    assert world.run()["outcome"] == "rejected"
    assert len(calls) == 2
    assert world.decision("middle").production == "m-perfect"
    assert world.history() == ["m-bad", "m-perfect"]


def lose_the_move(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the job up to the decision, as if the process had died before the pointer moved."""

    def die(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(promote, "move", die)
        with pytest.raises(KeyboardInterrupt):
            world.run()


def test_a_promotion_lost_in_a_crash_is_made_up_for_without_measuring_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.dataset()
    world.export("one")
    lose_the_move(world, monkeypatch)
    decided_at = world.decision("one").created_at
    assert world.history() == []
    world.reconcile()
    assert world.history() == [], "the job is still open and will do it"
    store, bus = world.store, world.bus
    assert optimize.finish(store, bus, "m-one", "") == world.decision("one")
    assert world.history() == ["m-one"]
    assert world.decision("one").created_at == decided_at


def test_reconcile_makes_up_for_it_when_the_job_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.dataset()
    world.export("one")
    lose_the_move(world, monkeypatch)
    world.store.delete(keys.job(KIND, "m-one"))
    world.reconcile()
    world.reconcile()
    assert world.history() == ["m-one"]
    assert world.heard("model_promoted").model_promoted.model == "m-one"


def test_a_lost_promotion_against_other_production_is_measured_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.dataset()
    world.export("bad", deaf_to="fh")
    world.run()
    world.export("middle", deaf_to="h")
    lose_the_move(world, monkeypatch)
    bundle_maker.write_model_bundle(world.store, "m-perfect", bundle_maker.graph())
    promote.by_hand(world.store, "m-perfect")
    assert world.decision("middle").outcome == "promoted"
    lease_free(world, "middle")
    assert world.run()["outcome"] == "rejected"
    assert world.decision("middle").production == "m-perfect"


def lease_free(world: World, name: str) -> None:
    """As if the dead worker's lease had expired."""
    world.store.delete(keys.job(KIND, f"m-{name}"))
    world.jobs.submit(KIND, f"m-{name}", {"run": f"r-{name}"})


def test_a_rollback_is_not_undone_by_reconcile(world: World) -> None:
    world.dataset()
    for name, deaf_to in (("one", "fh"), ("two", "")):
        world.export(name, deaf_to)
        world.run()
    command.rollback_model(world.store, world.bus)
    Reconcile(world.store, world.bus, world.jobs)()
    assert world.history() == ["m-one", "m-two", "m-one"]


def test_reconcile_waits_for_exports_and_submits_each_once(world: World) -> None:
    world.dataset()
    world.store.put("runs/r-training/run.json", b"{}")
    world.store.put("runs/r-broken/export/export.json", b"{")
    world.export("one")
    world.reconcile()
    world.reconcile()
    assert [job.id for job in world.jobs.list(KIND)] == ["m-one"]


def test_models_are_listed_newest_first(world: World) -> None:
    world.dataset()
    for name in ("one", "two"):
        world.export(name)
        world.run()
    assert [entry.bundle.model for entry in catalogue.list_models(world.store)] == ["m-two", "m-one"]
    with pytest.raises(NotFound, match="m-none"):
        catalogue.get_model(world.store, "m-none")
