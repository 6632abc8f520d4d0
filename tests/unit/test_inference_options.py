"""Hot words, alternatives, a certain model: what a call may ask for, and that nobody else is asked to."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from integration import bundle_maker

from services.inference.asked import model_for
from services.inference.batch import _write
from services.inference.models import Models, ServedModel, load
from services.inference.options import Options, listening
from services.inference.pool import Pool
from services.inference.recognize import Recognition, Segment, cut_up, draft, hear, read_audio, recognize
from voxloom.audio import encode_wav
from voxloom.bus import MemoryBus
from voxloom.errors import BadInput, Exhausted, NotFound, NotReady, Unavailable
from voxloom.storage import FolderStore

TEXT = "bed cafe had a bag"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    """m-a is served greedy, m-lm with a language model that knows two words, m-bad is damaged."""
    store = FolderStore(tmp_path_factory.mktemp("store"))
    for model in ("m-a", "m-b", "m-c", "m-bad"):
        bundle_maker.write_model_bundle(store, model, bundle_maker.graph())
    bundle_maker.write_model_bundle(store, "m-lm", bundle_maker.graph(), **bundle_maker.knows("bed", "face"))
    store.put("models/m-bad/tokens.txt", b"<blk> 0\n")
    return store


@pytest.fixture
def models(store: FolderStore) -> Iterator[Models]:
    bundle_maker.point_to(store, "m-a")
    bus = MemoryBus()
    models = Models(store, bus, most_beside=2)
    models.reconcile()
    yield models
    bus.close()


def blurred(first: str, second: str, share: float) -> np.ndarray:
    """Both texts at once: what is heard is the louder one, and the other is not far."""
    a, b = bundle_maker.say(first), bundle_maker.say(second)
    return (1 - share) * a + share * b


def recognized(model: ServedModel, samples: np.ndarray, options: Options) -> Recognition:
    async def work() -> Recognition:
        asked = listening(model, options)
        return await recognize(
            asked, pool, partial(read_audio, encode_wav(samples.astype(np.float32)), None, 600)
        )

    pool = Pool(1, 4, 4)
    try:
        return asyncio.run(work())
    finally:
        pool.close()


def test_a_hot_word_is_heard_in_greedy_models_and_with_a_language_model(store: FolderStore) -> None:
    samples = blurred("bag", "bad", 0.25)
    plain = load(store, "m-a")
    assert recognized(plain, samples, Options()).text == "bag"
    assert recognized(plain, samples, Options([("bad", 0.5)])).text == "bag", "the boost is not enough"
    assert recognized(plain, samples, Options([("Bad!", 3.0)])).text == "bad"
    assert recognized(plain, samples, Options([("bad a", 5.0)])).text == "bag", "a beginning is no phrase"
    closed = load(store, "m-lm")
    assert recognized(closed, bundle_maker.say("bed bag face"), Options()).text == "bed face"
    found = recognized(closed, bundle_maker.say("bed bag face"), Options([("bag", 1.0)]))
    assert found.text == "bed bag face"
    assert [word.text for word in found.words] == ["bed", "bag", "face"]
    assert found.words[1].start_s == pytest.approx(0.2 + 0.8, abs=0.06)


def test_alternatives_change_no_text(store: FolderStore) -> None:
    samples = np.concatenate([bundle_maker.say("face "), blurred("bag", "bad", 0.25)])
    for model in (load(store, "m-a"), load(store, "m-lm")):
        alone, many = (recognized(model, samples, Options(alternatives=count)) for count in (1, 4))
        assert many.text == alone.text
        assert not alone.best.alternatives
        others = [each.text for each in many.best.alternatives]
        assert len({alone.text, *others}) == len(others) + 1 <= 4
    found = recognized(load(store, "m-a"), samples, Options(alternatives=5)).best
    assert "face badg" in [each.text for each in found.alternatives]


def test_alternatives_of_a_long_recording_are_of_all_of_it(store: FolderStore) -> None:
    """Cut in pieces, of which each has its own."""
    model = load(store, "m-a")
    samples = np.concatenate([bundle_maker.say("face ") for _ in range(45)]).astype(np.float32)
    assert len(list(cut_up(samples))) > 1
    found = recognized(model, samples, Options(alternatives=3)).best
    assert found.text == " ".join(["face"] * 45)
    assert len(found.alternatives) == 2
    assert all(40 <= len(each.text.split()) <= 50 for each in found.alternatives)
    behind = [each.behind for each in found.alternatives]
    assert behind == sorted(behind)
    assert all(each.words[-1].end_s > 40 for each in found.alternatives)


def test_interim_results_stay_as_they_are(store: FolderStore) -> None:
    model = load(store, "m-a")
    (segment,) = cut_up(blurred("bag", "bad", 0.25).astype(np.float32))
    asked = listening(model, Options([("bad", 5.0)], 3))
    assert isinstance(segment, Segment)
    assert draft(asked, segment) == draft(model, segment)
    assert hear(asked, segment).text == "bad"
    assert asked.engine is model.engine


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (Options(alternatives=21), "max_alternatives is 21; expected 0 to 20"),
        (Options(alternatives=-1), "max_alternatives is -1"),
        (Options([("xylophone", 0.0)]), "cannot write: l, n, o"),
        (Options([("", 0.0)]), "is empty"),
        (Options([("bed", 11.0)]), "expected up to 10"),
    ],
)
def test_what_cannot_be_wanted_is_refused(store: FolderStore, options: Options, complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        listening(load(store, "m-a"), options)


def test_a_model_is_loaded_beside_production_once(models: Models) -> None:
    async def work() -> None:
        assert (await model_for(models, "")).id == "m-a"
        assert await model_for(models, "m-a") is models.current()
        first, second = await asyncio.gather(model_for(models, "m-b"), model_for(models, "m-b"))
        assert first is second
        assert first.id == "m-b"
        assert models.current().id == "m-a"

    asyncio.run(work())


def test_the_one_that_was_not_used_for_longest_leaves(models: Models) -> None:
    async def work() -> None:
        b, c = await model_for(models, "m-b"), await model_for(models, "m-c")
        assert await model_for(models, "m-b") is b
        await model_for(models, "m-lm")
        assert await model_for(models, "m-b") is b
        assert await model_for(models, "m-c") is not c

    asyncio.run(work())


@pytest.mark.parametrize("name", ["m-none", "../m-a", "", "a b", "x" * 300])
def test_a_model_that_is_not_there_is_not_found(models: Models, name: str) -> None:
    with pytest.raises(NotFound, match=r"no such model|no model m-none in the store"):
        asyncio.run(models.named(name))


def test_a_damaged_model_is_not_ready_and_others_are_served(models: Models) -> None:
    with pytest.raises(NotReady, match=r"model m-bad cannot be served: models/m-bad/tokens\.txt has"):
        asyncio.run(models.named("m-bad"))
    assert asyncio.run(models.named("m-b")).id == "m-b"


def test_none_may_be_asked_for_where_there_is_no_room(store: FolderStore) -> None:
    models = Models(store, MemoryBus(), most_beside=0)
    with pytest.raises(NotFound, match="VOXLOOM_INFERENCE_MODELS_BESIDE"):
        asyncio.run(model_for(models, "m-b"))
    with pytest.raises(Unavailable):
        asyncio.run(model_for(models, ""))


def test_a_full_disk_is_told_of() -> None:
    """What the kernel says, of its device that is always full."""
    with (
        Path("/dev/full").open("wb", buffering=0) as file,
        pytest.raises(Exhausted, match="no room on the disk"),
    ):
        _write(file, b"audio")
