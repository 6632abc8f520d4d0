"""The model in memory, and its change for another while calls go on."""

import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import numpy as np

from services.inference.beside import Beside
from services.inference.memory import give_back_after
from services.inference.metrics import LOADS
from services.inference.searching import Searching
from voxloom.beam import Decode, make_decoder
from voxloom.bundle import Bundle, LoadedBundle, load_bundle, read_pointer
from voxloom.bus import EventBus, new_event
from voxloom.decode import Hypothesis, LogProbs, calibrated, greedy
from voxloom.engine import Engine
from voxloom.errors import BadInput, NotFound, Unavailable
from voxloom.features import FRAME_SHIFT_S, NUM_MEL, Features
from voxloom.runtime import announce
from voxloom.storage import ObjectStore
from voxloom.streaming_engine import StreamingEngine
from voxloom.tokenizer import Tokenizer
from voxloom.v1.events_pb2 import Event, ModelServing, StageFailed

_RETRY_S = 600.0  # a refused bundle is looked at again: somebody may have put it right
_WARM_UP_FRAMES = (50, 300, 1200)
_SOURCE = "inference"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ServedModel:
    """One loaded model. Whoever works with it holds it; the last one to let go frees it."""

    record: Bundle
    engine: Engine
    tokenizer: Tokenizer
    decode: Decode  # as bundle.json says and the gate measured
    since: str  # ISO 8601, UTC
    load_s: float
    searching: Searching  # for calls that ask for hot words or alternatives
    live: StreamingEngine | None = None  # the same weights for streams; bundles of old have none

    @property
    def id(self) -> str:
        return self.record.model

    def hear(self, features_TF: Features) -> Hypothesis:
        """The text of one segment, (T, 80) log-mel; times count from its start."""
        return self.decode(self.engine.log_probs([features_TF])[0])

    def draft(self, features_TF: Features) -> Hypothesis:
        """The same, greedy: for what is shown of a stream before its result is final."""
        return self.draft_of(self.engine.log_probs([features_TF])[0])

    def draft_of(self, log_probs_TV: LogProbs) -> Hypothesis:
        """The text of log probabilities (T', V), greedy."""
        found = greedy(log_probs_TV, self.tokenizer, FRAME_SHIFT_S * self.record.subsampling)
        return calibrated(found, self.record.decoding.confidence)


@dataclass(frozen=True)
class _Refusal:
    model: str
    pointer_etag: str
    retry_at: float


class Models:
    """Follows the production pointer. Calls read `current`; only `reconcile` changes it."""

    def __init__(
        self,
        store: ObjectStore,
        bus: EventBus,
        *,
        most_beside: int = 2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`most_beside`: models that are kept in memory beside the one in production, for calls that ask for
        them."""
        self._store = store
        self._bus = bus
        self._clock = clock
        self._current: ServedModel | None = None
        self._refusal: _Refusal | None = None
        self._announced = True
        self._beside = Beside(partial(load, store), most_beside)

    @property
    def serving(self) -> ServedModel | None:
        return self._current

    def current(self) -> ServedModel:
        """The model for a call that begins now; Unavailable while there is none."""
        if self._current is None:
            raise Unavailable(
                "no model is served yet: the first one that is trained and promoted will be; try again later"
            )
        return self._current

    async def named(self, model: str) -> ServedModel:
        """The model for a call that asks for it, loaded if it has to be; NotFound if there is none of that
        name in the store, NotReady if it is damaged."""
        if self._current and self._current.id == model:
            return self._current
        try:
            return await self._beside.get(model)
        except NotFound as error:
            serving = f"{self._current.id} is" if self._current else "none is"
            raise NotFound(f"{error}; {serving} in production: ask for no certain one to get that") from error

    def is_ready(self) -> bool:
        return self._current is not None

    def reconcile(self) -> None:
        """Loads what the pointer names if it is not what is served, and swaps once it has proved itself."""
        pointer, etag = read_pointer(self._store)
        if pointer and self._should_load(pointer.model, etag):
            self._change_to(pointer.model, etag)
        if self._current and not self._announced:
            self._announced = announce(self._bus, _serving_event(self._current))

    def _should_load(self, model: str, etag: str) -> bool:
        if self._current and self._current.id == model:
            return False
        refusal = self._refusal
        known_bad = refusal and refusal.model == model and refusal.pointer_etag == etag
        return not known_bad or (refusal is not None and self._clock() >= refusal.retry_at)

    def _change_to(self, model: str, etag: str) -> None:
        try:
            loaded = load(self._store, model)
        except (BadInput, NotFound) as error:
            self._refuse(model, etag, str(error))
            return
        LOADS.labels("loaded").inc()
        former, self._current, self._refusal, self._announced = self._current, loaded, None, False
        _log.info(
            "serving %s, loaded in %.2f s (before: %s)",
            model,
            loaded.load_s,
            former.id if former else "none",
        )

    def _refuse(self, model: str, etag: str, error: str) -> None:
        """What is served stays; the world is told once."""
        LOADS.labels("refused").inc()
        kept = f"{self._current.id} stays" if self._current else "nothing is served"
        _log.error("model %s is refused, %s: %s", model, kept, error)
        is_news = self._refusal is None or self._refusal.model != model
        self._refusal = _Refusal(model, etag, self._clock() + _RETRY_S)
        if is_news:
            body = StageFailed(stage="serve", job=model, error=error, attempts=1)
            announce(self._bus, new_event(_SOURCE, model, body))


def load(store: ObjectStore, model: str) -> ServedModel:
    """Reads, verifies and warms up a model; BadInput or NotFound says what is wrong with it."""
    start = time.perf_counter()
    bundle = load_bundle(store, model)
    engine = Engine(bundle.served_graph, threads=1)
    give_back_after(engine)
    _warm_up(engine, f"model {model}")
    live = _load_live(bundle) if bundle.streaming_graph else None
    frame_s = FRAME_SHIFT_S * bundle.record.subsampling
    decoding = bundle.record.decoding
    return ServedModel(
        record=bundle.record,
        engine=engine,
        tokenizer=bundle.tokenizer,
        decode=make_decoder(decoding, bundle.tokenizer, bundle.language_model, frame_s),
        since=datetime.now(UTC).isoformat(),
        load_s=time.perf_counter() - start,
        live=live,
        searching=Searching.of(decoding, bundle.tokenizer, bundle.language_model, frame_s),
    )


def _load_live(bundle: LoadedBundle) -> StreamingEngine:
    model, engine = bundle.record.model, StreamingEngine(bundle.streaming_graph or b"", threads=1)
    if engine.vocabulary != len(bundle.tokenizer):
        raise BadInput(
            f"the streaming graph of model {model} has {engine.vocabulary} outputs; expected "
            f"{len(bundle.tokenizer)}, one for each line of tokens.txt"
        )
    _warm_up(engine, f"the streaming graph of model {model}", (2 * engine.chunk_frames - 1,))
    return engine


def _warm_up(engine: Engine | StreamingEngine, what: str, lengths: Sequence[int] = _WARM_UP_FRAMES) -> None:
    """The first run of a shape is slow, and a graph that cannot run should fail before anyone calls."""
    for frames in lengths:
        features_TF = np.random.default_rng(0).normal(-8, 3, (frames, NUM_MEL)).astype(np.float32)
        try:
            log_probs_TV = engine.log_probs([features_TF])[0]
        except Exception as error:  # onnxruntime's errors share no other base
            raise BadInput(f"{what} fails on {frames} frames: {error}; train it again") from error
        if not len(log_probs_TV) or np.isnan(log_probs_TV).any():
            raise BadInput(f"{what} gives no numbers for {frames} frames; train it again")


def _serving_event(model: ServedModel) -> Event:
    instance = f"{socket.gethostname()}-{os.getpid()}"
    body = ModelServing(model=model.id, instance=instance, load_s=model.load_s)
    return new_event(_SOURCE, model.id, body, model.record.trace)
