"""Streamed training audio: the same losses, a bounded disk, resumed where it was, faults that are told."""

import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from trainer_bench import RECIPE, Bench, same_weights
from trainer_maker import make_dataset, withdraw

from services.trainer.clips import load_split, writing
from services.trainer.data import Features, evaluation_batches
from services.trainer.shards import Patience
from services.trainer.streaming import StreamedClips, choose_window, stream_split
from services.trainer.train import Interrupted
from voxloom.errors import BadInput, Exhausted, NotReady, Unavailable
from voxloom.storage import ObjectStore

SHARDS = 6
BATCHES = replace(RECIPE, batch_s=1.5)
IMPATIENT = Patience(0.0)


class Watched:
    """A store that counts what is opened and does something on the way."""

    def __init__(self, store: ObjectStore, on_open: Callable[[str], None] = lambda key: None) -> None:
        self._store, self._on_open = store, on_open
        self.opened: list[str] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        self.opened.append(key)
        self._on_open(key)
        with self._store.open(key) as file:
            yield file

    def shards(self) -> list[str]:
        return [key for key in self.opened if "/shards/train" in key]


def streamed(tmp_path: Path, window: int, **more: object) -> tuple[StreamedClips, ObjectStore, object]:
    store, dataset, _ = make_dataset(tmp_path / "store", clips=24, shards=SHARDS)
    (tmp_path / "local").mkdir()
    split = stream_split(store, dataset, "train", window, tmp_path / "local", Patience(0.0, **more))
    return split, store, dataset


def shard_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("train-*.tar"))


def test_every_sample_is_that_of_the_split_on_disk(tmp_path: Path) -> None:
    split, store, dataset = streamed(tmp_path, 2)
    whole = load_split(store, dataset, "train", tmp_path, lambda done, total: None)
    assert [clip.row.utterance for clip in split.clips] == [clip.row.utterance for clip in whole.clips]
    assert [clip.num_samples for clip in split.clips] == [clip.num_samples for clip in whole.clips]
    for index in np.random.default_rng(1).permutation(24):
        assert np.array_equal(split.waveform(index), whole.waveform(index))


@pytest.mark.parametrize("window", [1, 2, 4, 6, 99])
def test_windows_hold_every_clip_once_and_shards_whole(tmp_path: Path, window: int) -> None:
    split, _, _ = streamed(tmp_path, window)
    for windows in (split.windows(5, 0), split.in_order()):
        assert sorted(index for each in windows for index in each) == list(range(24))
        shards = [{split.clips[index].shard for index in each} for each in windows]
        assert sum(map(len, shards)) == SHARDS
        assert max(map(len, shards)) <= window
        assert all(list(each) == sorted(each) for each in windows)
    again = split.windows(5, 0)
    assert all(np.array_equal(one, other) for one, other in zip(split.windows(5, 0), again, strict=True))
    if window < SHARDS:
        assert [set(each) for each in split.windows(5, 1)] != [set(each) for each in again]


def test_a_window_that_holds_everything_gives_the_losses_of_a_split_on_disk(tmp_path: Path) -> None:
    disk = Bench(tmp_path / "disk", BATCHES, shards=SHARDS)
    stream = Bench(tmp_path / "stream", BATCHES, shards=SHARDS, window=SHARDS)
    one, other = disk.run(), stream.run()
    assert stream.losses == disk.losses
    assert same_weights(one, other)


def test_a_streamed_run_resumed_anywhere_has_the_same_losses(tmp_path: Path) -> None:
    whole = Bench(tmp_path / "whole", BATCHES, shards=SHARDS, window=2)
    expected = whole.run()
    assert len(whole.task.train.plan(0, True).windows) == 4  # three, and the first of the next epoch
    cut = Bench(tmp_path / "cut", BATCHES, shards=SHARDS, window=2)
    for steps in (1, 3, 5):
        with pytest.raises(Interrupted):
            cut.run(stop_after=steps)
        (tmp_path / f"again-{steps}").mkdir()
        cut.load(tmp_path / f"again-{steps}", BATCHES)  # as another process does
    ended = cut.run()
    assert cut.losses == whole.losses
    assert same_weights(expected, ended)
    other = Bench(tmp_path / "other", BATCHES, shards=SHARDS, window=3)
    other.run()
    assert other.losses != whole.losses


def test_what_is_resumed_fetches_its_windows_only(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "run", BATCHES, clips=60, shards=SHARDS, window=1)
    plan = bench.task.train.plan(0, True)
    assert plan.begins[4] - plan.begins[3] >= 3  # one is trained on, one ready, one computed
    with pytest.raises(Interrupted):
        bench.run(stop_after=plan.begins[3])
    bench.task.train.features.clips.close()
    watched = Watched(bench.store)
    bench.store = watched
    (tmp_path / "again").mkdir()
    bench.load(tmp_path / "again", BATCHES)
    before = len(watched.shards())  # one look at each: where it begins
    with pytest.raises(Interrupted):
        bench.run(stop_after=1)
    bench.task.train.features.clips.close()
    clips = bench.task.train.features.clips.clips
    now, then = ({clips[index].shard for index in plan.windows[number]} for number in (3, 4))
    assert before == SHARDS
    fetched = {int(key[-9:-4]) for key in watched.shards()[before:]}
    assert now <= fetched <= now | then


def test_two_windows_are_on_disk_and_no_more(tmp_path: Path) -> None:
    peak, stop = [0], threading.Event()
    folder = tmp_path / "run"

    def look() -> None:
        while not stop.wait(0.001):
            with suppress(FileNotFoundError):  # deleted between the listing and the look
                peak[0] = max(peak[0], shard_bytes(folder))

    bench = Bench(folder, BATCHES, clips=48, shards=12, window=2)
    sizes = [bench.store.stat(key).size for key in bench.dataset.splits["train"].shards]
    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        bench.run()
        list(evaluation_batches(bench.task.train.features))
    finally:
        stop.set()
        watcher.join()
    assert max(sizes) <= peak[0] <= 4 * max(sizes) < sum(sizes)


def test_the_next_window_is_fetched_while_this_one_is_read(tmp_path: Path) -> None:
    split, _, _ = streamed(tmp_path, 2)
    first, second, _ = split.in_order()
    split.expect(first, second)
    split.waveform(int(first[0]))
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "local").glob("*.tar"))) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    split.expect(second, np.zeros(0, np.int64))
    assert len(list((tmp_path / "local").glob("*.tar"))) == 2


def test_evaluation_hears_every_clip_once(tmp_path: Path) -> None:
    split, _, _ = streamed(tmp_path, 2)
    batches = evaluation_batches(Features(split, RECIPE))
    heard = [clip.row.utterance for clips, _, _ in batches for clip in clips]
    assert sorted(heard) == [clip.row.utterance for clip in split.clips]


def cut_off(store: ObjectStore, key: str) -> None:
    store.put(key, store.get(key)[:-12_000])


def empty(store: ObjectStore, key: str) -> None:
    with store.open(key) as file, tarfile.open(fileobj=file) as tar:
        first = tar.getmembers()[0]
    data = bytearray(store.get(key))
    data[first.offset_data : first.offset_data + 200] = bytes(200)
    store.put(key, bytes(data))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda store, key: store.delete(key), "is gone; restore it from a backup"),
        (cut_off, "is damaged|differ in"),
        (empty, "in .* is damaged"),
    ],
)
def test_a_shard_that_is_spoiled_in_mid_epoch_is_named(
    tmp_path: Path, spoil: Callable[[ObjectStore, str], None], says: str
) -> None:
    bench = Bench(tmp_path / "run", BATCHES, shards=SHARDS, window=1)
    plan, clips = bench.task.train.plan(0, True), bench.task.train.features.clips
    key = bench.dataset.splits["train"].shards[clips.clips[plan.windows[3][0]].shard]

    def at_the_first_step(state: object) -> None:
        if len(bench.losses) == 1:
            spoil(bench.store, key)

    bench.after_step = at_the_first_step
    with pytest.raises(BadInput, match=says) as told:
        bench.run()
    assert key in str(told.value)
    assert 1 <= len(bench.losses) <= plan.begins[3]


def test_a_store_that_is_away_is_waited_for(tmp_path: Path) -> None:
    away = [2]

    def sometimes(key: str) -> None:
        if "train-00003" in key and bench_is_ready and away[0]:
            away[0] -= 1
            raise Unavailable("the store is away")

    bench_is_ready: list[bool] = []
    quiet = Bench(tmp_path / "quiet", BATCHES, shards=SHARDS, window=2)
    quiet.run()
    bench = Bench(
        tmp_path / "run",
        BATCHES,
        shards=SHARDS,
        window=2,
        fetch_give_up_s=60.0,
        source=lambda store: Watched(store, sometimes),
    )
    bench_is_ready.append(True)
    bench.run()
    assert bench.losses == quiet.losses
    assert away == [0]


def test_patience_ends_and_a_stop_ends_it_at_once(tmp_path: Path) -> None:
    asked: list[bool] = []

    def check() -> None:
        if asked:
            raise Interrupted("stopped")

    def fails(key: str) -> None:
        raise Unavailable("the store is away")

    split, store, _ = streamed(tmp_path, 2)
    shards = split.local._fetch.__self__  # type: ignore[attr-defined]
    gone = replace(shards, store=Watched(store, fails))
    with pytest.raises(Unavailable, match="away"):
        replace(gone, patience=Patience(0.5)).fetch(0, tmp_path / "x", threading.Event())
    began = time.monotonic()
    asking = threading.Timer(0.5, lambda: asked.append(True))
    asking.start()
    with pytest.raises(Interrupted):
        replace(gone, patience=Patience(3600.0, check)).fetch(0, tmp_path / "x", threading.Event())
    assert time.monotonic() - began < 60


def test_what_was_withdrawn_is_not_heard(tmp_path: Path) -> None:
    split, store, dataset = streamed(tmp_path, 2)
    withdraw(store, dataset, "train-004", "train-020")  # both are the first of their shards
    with pytest.raises(
        NotReady, match=r"1 utterances of .*train-00001.*withdrawn while the training went on"
    ):
        split.waveform(5)
    (tmp_path / "next").mkdir()
    after = stream_split(store, dataset, "train", 2, tmp_path / "next", IMPATIENT)
    names = [clip.row.utterance for clip in after.clips]
    assert names == [f"train-{n:03d}" for n in range(24) if n not in (4, 20)]
    for index in range(len(names)):
        after.waveform(index)


def test_a_forgetting_that_is_under_way_is_no_fault(tmp_path: Path) -> None:
    """The mark comes first and the manifest last; in between some shards are rewritten and some are not."""
    _, store, dataset = streamed(tmp_path, 2)
    key = "manifests/d-tones/train.csv"
    manifest = store.get(key)
    untouched = {each: store.get(each) for each in dataset.splits["train"].shards[3:]}
    withdraw(store, dataset, "train-000", "train-004", "train-012", "train-013")
    store.put(key, manifest)
    for each, data in untouched.items():
        store.put(each, data)
    (tmp_path / "next").mkdir()
    during = stream_split(store, dataset, "train", 2, tmp_path / "next", IMPATIENT)
    assert len(during.clips) == 20
    for index in range(20):
        during.waveform(index)


def test_shards_of_another_order_are_refused(tmp_path: Path) -> None:
    store, dataset, _ = make_dataset(tmp_path / "store", clips=24, shards=SHARDS)
    train = dataset.splits["train"]
    turned = train.model_copy(update={"shards": train.shards[::-1]})
    lying = dataset.model_copy(update={"splits": {**dataset.splits, "train": turned}})
    with pytest.raises(BadInput, match="where no shard begins in the manifest"):
        stream_split(store, lying, "train", 2, tmp_path, IMPATIENT)


def test_it_is_streamed_when_it_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, dataset, _ = make_dataset(tmp_path / "store", clips=24, shards=SHARDS)
    sizes = [store.stat(key).size for key in dataset.splits["train"].shards]
    whole = 24 * 32_000  # as the record says: a second each
    assert choose_window(store, dataset, tmp_path, (whole + 1) / 1e9) == 0
    assert choose_window(store, dataset, tmp_path, (sum(sizes) + 1) / 1e9) == SHARDS  # packed it fits
    assert choose_window(store, dataset, tmp_path, 4.1 * max(sizes) / 1e9) == 2
    with pytest.raises(BadInput, match=r"GB of disk.* are allowed.*VOXLOOM_TRAIN_CACHE_GB"):
        choose_window(store, dataset, tmp_path, 1.9 * max(sizes) / 1e9)
    assert choose_window(store, dataset, tmp_path, 0.0) == 0
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(10**12))  # each has next to nothing
    with pytest.raises(BadInput, match=r"0\.0 GB are allowed"):
        choose_window(store, dataset, tmp_path, 0.0)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with pytest.raises(Exhausted, match=r"disk of /dev is full.*TMPDIR.*VOXLOOM_TRAIN_CACHE_GB"):
        with Path("/dev/full").open("wb", buffering=0) as out, writing(Path("/dev/full")):
            out.write(b"x")
