"""Segments that wait together are heard together, each as if alone; who leaves does not hold up others."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from integration import bundle_maker

from services.inference.batching import ALIKE, MOST, MOST_FRAMES
from services.inference.models import ServedModel, load
from services.inference.options import Options, listening
from services.inference.pool import Pool
from voxloom.decode import Hypothesis, LogProbs
from voxloom.engine import Engine
from voxloom.errors import BadInput, Exhausted
from voxloom.features import Features, fbank
from voxloom.storage import FolderStore

WORDS = ("bed", "bag", "had", "dad", "gab")  # equally long
LONG = "head face cafe"


class Runs(Engine):
    """An engine that keeps what it is run with, and can be held up."""

    def __init__(self, engine: Engine) -> None:
        self._session, self.vocabulary = engine._session, engine.vocabulary
        self.sizes: list[int] = []
        self.open, self.entered = threading.Event(), threading.Event()
        self.open.set()

    def log_probs(self, features: Sequence[Features]) -> list[LogProbs]:
        self.entered.set()
        self.open.wait(20)
        self.sizes.append(len(features))
        return super().log_probs(features)


@pytest.fixture
def model(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    store = FolderStore(tmp_path_factory.mktemp("store"))
    bundle_maker.write_model_bundle(store, "m-a", bundle_maker.graph())
    found = load(store, "m-a")
    return replace(found, engine=Runs(found.engine))


def runs(model: ServedModel) -> Runs:
    assert isinstance(model.engine, Runs)
    return model.engine


def features(text: str) -> Features:
    return fbank(bundle_maker.say(text))


def in_pool(work: Callable[[Pool], Coroutine[Any, Any, Any]], most: int = 20) -> Any:
    """On one worker, which makes the order certain."""
    pool = Pool(threads=1, max_calls=most, max_streams=0)
    try:
        return asyncio.run(work(pool))
    finally:
        pool.close()


@contextmanager
def held_up(model: ServedModel) -> Iterator[None]:
    """While the worker is busy with what came first, others gather."""
    runs(model).open.clear()
    try:
        yield
    finally:
        runs(model).open.set()


async def begun(model: ServedModel) -> None:
    """The worker is in a run."""
    while not runs(model).entered.is_set():
        await asyncio.sleep(0.005)


async def heard(
    pool: Pool, models: ServedModel | Sequence[ServedModel], texts: Sequence[str]
) -> list[Hypothesis | BaseException]:
    """All at once, after a first that keeps the worker busy until they wait."""
    each = [models] * len(texts) if isinstance(models, ServedModel) else models
    with held_up(each[0]):
        first = asyncio.create_task(pool.batching.hear(each[0], features("bed")))
        await begun(each[0])
        tasks = [
            asyncio.create_task(pool.batching.hear(m, features(text)))
            for m, text in zip(each, texts, strict=True)
        ]
        await asyncio.sleep(0.05)
    assert (await first).hypothesis.text == "bed"
    found = await asyncio.gather(*tasks, return_exceptions=True)
    return [each if isinstance(each, BaseException) else each.hypothesis for each in found]


def texts(found: Sequence[Hypothesis | BaseException]) -> list[str]:
    return [each.text if isinstance(each, Hypothesis) else repr(each) for each in found]


def test_segments_that_wait_are_heard_together(model: ServedModel) -> None:
    found = in_pool(lambda pool: heard(pool, model, WORDS))
    assert texts(found) == list(WORDS)
    assert runs(model).sizes == [1, MOST, 1]


def test_each_is_heard_as_if_alone(model: ServedModel) -> None:
    for text, hypothesis in zip(WORDS, in_pool(lambda pool: heard(pool, model, WORDS)), strict=True):
        alone = model.hear(features(text))
        assert hypothesis.words == alone.words
        assert hypothesis.confidence == pytest.approx(alone.confidence, abs=1e-5)


def test_company_is_about_as_long(model: ServedModel) -> None:
    assert len(features(LONG)) > ALIKE * len(features("bed"))
    found = in_pool(lambda pool: heard(pool, model, ["bed", LONG, "bag", LONG]))
    assert texts(found) == ["bed", LONG, "bag", LONG]
    assert runs(model).sizes == [1, 2, 2]


def test_a_run_is_no_longer_than_allowed(model: ServedModel) -> None:
    words = " ".join(["bed"] * 20)
    assert 2 * len(features(words)) > MOST_FRAMES > len(features(words))
    assert texts(in_pool(lambda pool: heard(pool, model, [words, words]))) == [words, words]
    assert runs(model).sizes == [1, 1, 1]


def test_another_model_is_another_run(model: ServedModel) -> None:
    other = replace(model, engine=Runs(model.engine))
    models = [model, other, model]
    assert texts(in_pool(lambda pool: heard(pool, models, WORDS[:3]))) == list(WORDS[:3])
    assert (runs(model).sizes, runs(other).sizes) == ([1, 2], [1])


def test_calls_with_hot_words_keep_company(model: ServedModel) -> None:
    """They are found in the same log probabilities."""
    asking = listening(model, Options([("bag", 2.0)]))
    found = in_pool(lambda pool: heard(pool, [model, asking], WORDS[:2]))
    assert texts(found) == list(WORDS[:2])
    assert runs(model).sizes == [1, 2]


def test_a_cancelled_call_is_not_heard(model: ServedModel) -> None:
    async def work(pool: Pool) -> str:
        with held_up(model):
            first = asyncio.create_task(pool.batching.hear(model, features("bed")))
            await begun(model)
            gone, stays = (asyncio.create_task(pool.batching.hear(model, features(w))) for w in WORDS[1:3])
            await asyncio.sleep(0.05)
            gone.cancel()
            await asyncio.sleep(0.05)
        await first
        return (await asyncio.wait_for(stays, 20)).hypothesis.text

    assert in_pool(work) == WORDS[2]
    assert runs(model).sizes == [1, 1]


def test_a_call_may_leave_in_the_middle_of_its_run(model: ServedModel) -> None:
    async def work(pool: Pool) -> str:
        with held_up(model):
            gone = asyncio.create_task(pool.batching.hear(model, features("bed")))
            await begun(model)
            stays = asyncio.create_task(pool.batching.hear(model, features("bag")))
            await asyncio.sleep(0.05)
            gone.cancel()
            await asyncio.sleep(0.05)
        return (await asyncio.wait_for(stays, 20)).hypothesis.text

    assert in_pool(work) == "bag"


def test_an_error_of_one_is_not_that_of_others(model: ServedModel) -> None:
    def fails(log_probs_TV: LogProbs) -> Hypothesis:
        raise BadInput("no words")

    models = [model, replace(model, decode=fails), model]
    found = in_pool(lambda pool: heard(pool, models, WORDS[:3]))
    assert texts(found) == [WORDS[0], "BadInput('no words')", WORDS[2]]


def test_an_error_of_the_network_reaches_all_that_were_in_it(model: ServedModel) -> None:
    class Broken(Runs):
        def log_probs(self, features: Sequence[Features]) -> list[LogProbs]:
            super().log_probs(features)
            if len(features) > 1:
                raise BadInput("out of memory")
            return super().log_probs(features)

    broken = replace(model, engine=Broken(model.engine))
    found = in_pool(lambda pool: heard(pool, broken, WORDS[:2]))
    assert texts(found) == ["BadInput('out of memory')"] * 2


def test_too_many_are_refused_and_the_others_heard(model: ServedModel) -> None:
    found = in_pool(lambda pool: heard(pool, model, WORDS), most=3)
    assert texts(found[:3]) == list(WORDS[:3])
    assert all(isinstance(each, Exhausted) for each in found[3:])
