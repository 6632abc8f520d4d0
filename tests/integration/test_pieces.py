"""Pieces of words all the way: learned and trained on, exported, optimised, served to files and streams."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration import bundle_maker
from service_process import ServiceProcess, eventually
from trainer_maker import make_dataset

from services.inference.models import load
from services.optimizer.optimize import KIND, OptimizeJob
from services.optimizer.reconcile import Reconcile
from services.optimizer.rules import GateRules, Rules
from services.trainer.clips import read_shard
from voxloom import keys
from voxloom.audio import encode_wav
from voxloom.bundle import load_bundle
from voxloom.bus import MemoryBus
from voxloom.features import fbank
from voxloom.jobs import Jobs
from voxloom.manifest import DatasetRecord, write_csv
from voxloom.storage import FolderStore
from voxloom.tokenizer import BLANK, PieceTokenizer
from voxloom.v1 import audio_pb2, inference_pb2, trainer_pb2
from voxloom.v1.inference_pb2_grpc import InferenceServiceStub
from voxloom.v1.trainer_pb2_grpc import TrainerServiceStub

pytestmark = pytest.mark.slow
RUN = "r-tones-smoke-p9-s1"
# What each pitch of the tones stands for: as many as there are letters.
SYMBOLS = [BLANK, "▁be", "▁d", "▁a", "▁b", "▁e", "a", "b", "d", "e"]
PITCH = dict(zip(SYMBOLS[1:], bundle_maker.LETTERS, strict=True))


def test_they_are_learned_trained_on_optimised_and_loaded(tmp_path: Path) -> None:
    store, dataset, _ = make_dataset(tmp_path / "store")
    with ServiceProcess("trainer", tmp_path / "store", train_auto="false", train_threads="1") as trainer:
        stub = TrainerServiceStub(trainer.channel)
        run = stub.StartRun(trainer_pb2.StartRunRequest(recipe="smoke", pieces=9), timeout=30)
        assert (run.id, run.pieces) == (RUN, 9)
        assert "9 pieces of words were asked for" in run.recipe_reason
        updates = stub.WatchRun(trainer_pb2.WatchRunRequest(run=RUN), timeout=180)
        ended = list(updates)[-1].run
    assert (ended.state, ended.error) == (trainer_pb2.RUN_STATE_DONE, "")
    tokens = store.get(keys.export_file(RUN, "tokens.txt"))
    assert tokens == store.get(keys.run_tokens(RUN))

    write_test_audio(store, dataset)
    assert optimise(store) == "promoted"
    bundle = load_bundle(store, "m-tones-smoke-p9-s1")
    assert isinstance(bundle.tokenizer, PieceTokenizer)
    assert bundle.tokenizer.to_tokens_txt().encode() == tokens
    assert bundle.tokenizer.symbols[1:4] == ("▁ab", "ab", "▁ba")
    served = load(store, "m-tones-smoke-p9-s1")
    features_TF = fbank(bundle_maker.say("abc"))
    assert served.engine.log_probs([features_TF])[0].shape[1] == len(bundle.tokenizer) == 10
    for found in (served.hear(features_TF), served.draft(features_TF)):
        assert set(found.text) <= set(dataset.alphabet)


def write_test_audio(store: FolderStore, dataset: DatasetRecord) -> None:
    """What the optimizer listens to: the clips of test as recordings."""
    rows = []
    for key in dataset.splits["test"].shards:
        with store.open(key) as shard:
            for row, samples in read_shard(shard, key):
                wav = encode_wav(samples)
                store.put(row.audio_key, wav)
                rows.append(row.model_copy(update={"audio_sha256": hashlib.sha256(wav).hexdigest()}))
    store.put_stream(keys.manifest(dataset.dataset, "test"), write_csv(rows))


def optimise(store: FolderStore) -> str:
    """The outcome, where any number of errors is good enough."""
    bus, jobs = MemoryBus(), Jobs(store)
    Reconcile(store, bus, jobs)()
    lease = jobs.claim(KIND)
    assert lease
    with lease:
        rules = Rules(gate=GateRules(max_error_rate=100.0))
        result = OptimizeJob(store, bus, threads=1, rules=rules).run(lease.record, lease)
        lease.complete(result)
    bus.close()
    return str(result["outcome"])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pieces") / "store"


@pytest.fixture(scope="module")
def store(root: Path) -> FolderStore:
    """A recogniser of tones, each of which is a piece, with a language model and without."""
    tokens = "".join(f"{symbol} {index}\n" for index, symbol in enumerate(SYMBOLS)).encode()
    store = FolderStore(root)
    bundle_maker.write_model_bundle(store, "m-plain", bundle_maker.graph(), tokens_txt=tokens)
    known = bundle_maker.knows("bed", "bead", "add")
    bundle_maker.write_model_bundle(store, "m-lm", bundle_maker.graph(), tokens_txt=tokens, **known)
    return store


@pytest.fixture(scope="module")
def served(root: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess("inference", root) as process:
        yield process


def serve(process: ServiceProcess, store: FolderStore, model: str) -> None:
    bundle_maker.point_to(store, model)
    eventually(lambda: serving(process) == model)


def serving(process: ServiceProcess) -> str:
    stub = InferenceServiceStub(process.channel)
    return str(stub.GetServingModel(inference_pb2.GetServingModelRequest(), timeout=10).model)


def requests(audio: bytes) -> Iterator[inference_pb2.StreamingRecognizeRequest]:
    form = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_PCM16, sample_rate_hz=16000)
    config = inference_pb2.StreamingConfig(format=form, interim_results=True)
    yield inference_pb2.StreamingRecognizeRequest(config=config)
    for at in range(0, len(audio), 3200):
        yield inference_pb2.StreamingRecognizeRequest(audio=audio[at : at + 3200])


def tones(*symbols: str) -> str:
    """The letters whose pitches the pieces are; `|` is a pause."""
    return "".join("|" if symbol == "|" else PITCH[symbol] for symbol in symbols)


def test_a_stream_and_a_file_are_heard_in_pieces(served: ServiceProcess, store: FolderStore) -> None:
    serve(served, store, "m-plain")
    stub = InferenceServiceStub(served.channel)
    said = tones("▁be", "d", "▁a", "|", "▁b", "a", "d", "▁d", "a", "d")
    audio = (bundle_maker.say(said, pause_s=2.0) * 32767).astype("<i2").tobytes()
    results = list(stub.StreamingRecognize(requests(audio), timeout=60))
    finals = [result.text for result in results if result.is_final]
    interim = {result.text for result in results if not result.is_final}
    assert finals == ["bed a", "bad dad"]
    assert interim & {"be", "bed", "b", "ba", "bad"}
    request = inference_pb2.RecognizeRequest(audio=encode_wav(bundle_maker.say(tones("▁be", "a", "d", "▁a"))))
    found = stub.Recognize(request, timeout=30)
    assert [word.text for word in found.words] == ["bead", "a"]
    assert found.words[0].start_ms < found.words[0].end_ms <= found.words[1].start_ms
    assert 0 < found.confidence <= 1


def test_the_language_model_knows_words_of_pieces(served: ServiceProcess, store: FolderStore) -> None:
    """`bad` is none of its words, and `bead` sounds most like it."""
    serve(served, store, "m-lm")
    said = tones("▁be", "d", "▁a", "d", "d", "▁b", "a", "d")
    request = inference_pb2.RecognizeRequest(audio=encode_wav(bundle_maker.say(said)))
    found = InferenceServiceStub(served.channel).Recognize(request, timeout=30)
    assert [word.text for word in found.words] == ["bed", "add", "bead"]
    assert 0 < found.confidence <= 1
