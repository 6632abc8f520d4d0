"""What every object store promises, on a folder and on a real S3 server."""

import io
import itertools
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tarfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import StoreAddress

from voxloom.errors import BadInput, Conflict, NotFound
from voxloom.record import Record
from voxloom.storage import ObjectStore, list_all, open_store, read_model, write_model

MIB = 1 << 20
HOSTILE_KEYS = [
    *(
        "",
        "/",
        "a//b",
        "/a",
        "a/",
        "../a",
        "a/../b",
        "a/..",
        "a/./b",
        ".hidden",
        "a/.b",
        "a b",
        "a\\b",
        "~/a",
    ),
    *("a\0b", "a\nb", "%2e%2e/a", "ä", "a" * 129, "/".join(["a" * 100] * 10), "a?b", "a*", "C:/a", "-a"),
]


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.connected)])
def address(request: pytest.FixtureRequest) -> StoreAddress:
    return request.getfixturevalue(f"{request.param}_address")


@pytest.fixture
def store(address: StoreAddress) -> ObjectStore:
    return address.open()


def keys_of(store: ObjectStore, prefix: str = "") -> list[str]:
    return [info.key for info in list_all(store, prefix)]


def test_what_was_put_is_read_whole(store: ObjectStore) -> None:
    for data in (b"", b"x", os.urandom(3 * MIB + 1)):
        etag = store.put("a/b.bin", data)
        assert store.get("a/b.bin") == data
        assert store.get_with_etag("a/b.bin") == (data, etag)
        info = store.stat("a/b.bin")
        assert (info.key, info.size, info.etag) == ("a/b.bin", len(data), etag)
        with store.open("a/b.bin") as file:
            assert file.read() == data


def test_a_write_changes_the_etag(store: ObjectStore) -> None:
    etags = [store.put("a", content) for content in (b"one", b"two", b"three")]
    assert len(set(etags)) == 3
    assert store.stat("a").etag == etags[-1]


def test_what_is_absent_is_not_found(store: ObjectStore) -> None:
    store.put("a/b", b"x")
    for key in ("nothing", "a", "a/b/c", "a/c"):
        for read in (store.get, store.get_with_etag, store.open, store.stat):
            with pytest.raises(NotFound, match=key):
                read(key)
        store.delete(key)
    assert store.get("a/b") == b"x"


def test_a_create_only_put_never_replaces(store: ObjectStore) -> None:
    store.put("a", b"first", if_absent=True)
    with pytest.raises(Conflict, match="a exists"):
        store.put("a", b"second", if_absent=True)
    assert store.get("a") == b"first"
    store.delete("a")
    store.put("a", b"third", if_absent=True)
    assert store.get("a") == b"third"


def test_many_are_created_and_none_replaced(store: ObjectStore) -> None:
    store.put("raw/b", b"first")
    objects = {f"raw/{name}": name.encode() * 100_000 for name in "abcde"}
    assert store.put_new(objects) == {"raw/b"}
    assert store.put_new(objects) == objects.keys()
    assert store.put_new({}) == set()
    for key, data in (objects | {"raw/b": b"first"}).items():
        assert store.get(key) == data
    assert keys_of(store) == sorted(objects)
    etags = {store.stat(key).etag for key in objects}
    assert len(etags) == 5


def test_of_racing_creators_one_wins(store: ObjectStore) -> None:
    names = [f"raw/{number}" for number in range(20)]
    with ThreadPoolExecutor(4) as pool:
        lost = list(pool.map(lambda writer: store.put_new(dict.fromkeys(names, b"%d" % writer)), range(4)))
    for name in names:
        assert [name in each for each in lost].count(False) == 1
        assert name not in lost[int(store.get(name))]


def test_compare_and_swap_replaces_only_what_was_read(store: ObjectStore) -> None:
    old = store.put("a", b"one")
    new = store.put("a", b"two", if_match=old)
    for stale in (old, "no-such-etag"):
        with pytest.raises(Conflict, match="changed"):
            store.put("a", b"three", if_match=stale)
    assert store.get_with_etag("a") == (b"two", new)
    with pytest.raises(Conflict):
        store.put("absent", b"x", if_match=new)
    with pytest.raises(NotFound):
        store.get("absent")


@pytest.mark.parametrize("condition", ["absent", "match"])
def test_of_racing_writers_one_wins(store: ObjectStore, condition: str) -> None:
    etag = store.put("race", b"start") if condition == "match" else None
    barrier = threading.Barrier(16)

    def write(number: int) -> bytes | None:
        mine = b"writer %d" % number
        barrier.wait()
        try:
            store.put("race", mine, if_absent=etag is None, if_match=etag)
        except Conflict:
            return None
        return mine

    with ThreadPoolExecutor(16) as pool:
        winners = [mine for mine in pool.map(write, range(16)) if mine]
    assert winners == [store.get("race")]


def count_up(address: StoreAddress, times: int) -> None:
    store = address.open()
    done = 0
    while done < times:
        data, etag = store.get_with_etag("counter")
        try:
            store.put("counter", str(int(data) + 1).encode(), if_match=etag)
            done += 1
        except Conflict:
            pass


def test_processes_lose_no_update(address: StoreAddress, store: ObjectStore) -> None:
    store.put("counter", b"0")
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in [pool.submit(count_up, address, 25) for _ in range(3)]:
            future.result()
    assert store.get("counter") == b"75"


def test_another_client_sees_a_write_at_once(address: StoreAddress, store: ObjectStore) -> None:
    other = address.open()
    for number in range(20):
        data = b"%d" % number
        store.put(f"a/{number:02d}", data)
        assert other.get(f"a/{number:02d}") == data
        assert len(keys_of(other, "a/")) == number + 1
    store.delete("a/00")
    assert keys_of(other, "a/")[0] == "a/01"


def test_readers_never_see_half_an_object(store: ObjectStore) -> None:
    contents = [bytes([letter]) * MIB for letter in b"ab"]
    store.put("a", contents[0])
    stop = threading.Event()

    def write() -> None:
        for content in itertools.cycle(contents):
            if stop.is_set():
                return
            store.put("a", content)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert all(store.get("a") in contents for _ in range(30))
    finally:
        stop.set()
        writer.join()


def test_a_stream_that_breaks_leaves_what_was_there(store: ObjectStore) -> None:
    def broken() -> Iterator[bytes]:
        for _ in range(40):
            yield bytes(MIB)
        raise RuntimeError("the microphone fell off")

    store.put("old", b"old")
    for key in ("old", "new"):
        with pytest.raises(RuntimeError, match="microphone"):
            store.put_stream(key, broken())
    assert keys_of(store) == ["old"]
    assert store.get("old") == b"old"


def test_a_killed_writer_leaves_nothing(address: StoreAddress, store: ObjectStore) -> None:
    code = (
        "import sys, time\nfrom servers import StoreAddress\n"
        "def chunks():\n"
        "    for number in range(1000):\n"
        "        if number == 20: print('half', flush=True)\n"
        "        if number > 20: time.sleep(0.1)\n"
        "        yield bytes(1 << 20)\n"
        "StoreAddress(*sys.argv[1:]).open().put_stream('new', chunks())\n"
    )
    command = [sys.executable, "-c", code, address.url, address.access_key, address.secret_key]
    path = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, env=path)
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"half\n"
        writer.send_signal(signal.SIGKILL)
    assert keys_of(store) == []
    with pytest.raises(NotFound):
        store.get("new")
    store.put("new", b"whole", if_absent=True)


def test_streams_need_little_memory(store: ObjectStore) -> None:
    size = 80 * MIB
    etag = peak_below(56 * MIB, lambda: store.put_stream("big", (bytes(MIB) for _ in range(80))))
    assert (store.stat("big").size, store.stat("big").etag) == (size, etag)

    def read() -> int:
        with store.open("big") as file:
            return sum(len(chunk) for chunk in iter(lambda: file.read(65536), b""))

    assert peak_below(8 * MIB, read) == size


def peak_below(limit: int, action: Callable[[], object]) -> object:
    tracemalloc.start()
    try:
        result = action()
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()
    return result


def test_an_open_object_can_be_read_from_anywhere(store: ObjectStore) -> None:
    content = random.Random(5).randbytes(3_000_000)
    store.put("seek", content)
    with store.open("seek") as file:
        assert file.seekable()
        for start, size in ((2_500_000, 100), (7, 1000), (2_999_990, 50), (1_000_000, 600_000)):
            assert file.seek(start) == start
            assert file.read(size) == content[start : start + size]
        assert file.tell() == 1_600_000
        assert file.seek(0, io.SEEK_END) == len(content)
        assert file.read(1) == b""


def test_a_stream_of_any_chunks_arrives_in_order(store: ObjectStore) -> None:
    data = os.urandom(100_000)
    cuts = [0, 0, 1, 2, 1000, 1000, 65_537, 99_999, 100_000]
    store.put_stream("a", (data[one:other] for one, other in itertools.pairwise(cuts)))
    assert store.get("a") == data
    store.put_stream("empty", iter(()))
    assert store.get("empty") == b""


def test_a_tar_streams_from_the_store(store: ObjectStore) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for number in range(50):
            member = tarfile.TarInfo(f"{number}.flac")
            member.size = 10_000
            tar.addfile(member, io.BytesIO(bytes([number]) * 10_000))
    store.put("a.tar", packed.getvalue())
    with store.open("a.tar") as file, tarfile.open(fileobj=file, mode="r|") as tar:
        sizes = [len(tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]
    assert sizes == [10_000] * 50


@pytest.mark.parametrize("key", HOSTILE_KEYS, ids=ascii)
def test_hostile_keys_are_refused(store: ObjectStore, key: str) -> None:
    store.put("a", b"x")
    for act in (store.get, store.open, store.stat, store.delete, store.get_with_etag):
        with pytest.raises(BadInput):
            act(key)
    for put in (lambda: store.put(key, b"x"), lambda: store.put_stream(key, [b"x"])):
        with pytest.raises(BadInput):
            put()
    if key not in ("", "a/"):  # these are prefixes
        with pytest.raises(BadInput):
            store.list_page(key)
    assert keys_of(store) == ["a"]


def test_a_page_of_nothing_is_refused(store: ObjectStore) -> None:
    with pytest.raises(BadInput, match="1 or more"):
        store.list_page("", limit=0)


segment = st.text("ab0.-_", min_size=1, max_size=3).filter(lambda text: text[0] not in ".-")
some_keys = st.sets(st.lists(segment, min_size=1, max_size=3).map("/".join), max_size=12).map(
    lambda keys: {key for key in keys if not any(other.startswith(key + "/") for other in keys)}
)
example_number = itertools.count()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(keys=some_keys, data=st.data())
def test_lists_are_sorted_and_paged(store: ObjectStore, keys: set[str], data: st.DataObject) -> None:
    root = f"list/{next(example_number)}/"
    wanted = sorted(root + key for key in keys)
    for key in data.draw(st.permutations(wanted)):
        store.put(key, b"12345")
    assert keys_of(store, root) == wanted
    limit = data.draw(st.integers(1, 5))
    after = data.draw(st.sampled_from(["", *wanted, root + "a", root + "b-"]))
    paged: list[str] = []
    while page := store.list_page(root, start_after=paged[-1] if paged else after, limit=limit):
        assert len(page) <= limit
        paged += [info.key for info in page]
    assert paged == [key for key in wanted if key > after]
    prefix = root + data.draw(segment)
    assert keys_of(store, prefix) == [key for key in wanted if key.startswith(prefix)]


def test_lists_know_size_and_etag(store: ObjectStore) -> None:
    written = {f"raw/a/{number}": store.put(f"raw/a/{number}", bytes(number)) for number in range(5)}
    listed = store.list_page("raw/")
    assert {info.key: info.etag for info in listed} == written
    assert [info.size for info in listed] == [0, 1, 2, 3, 4]
    assert listed == [store.stat(info.key) for info in listed]


def test_more_objects_than_one_answer_holds(store: ObjectStore) -> None:
    wanted = sorted(f"many/{number % 7}/{number}.json" for number in range(1100))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(key, b"x"), wanted))
    assert keys_of(store, "many/") == wanted
    assert [info.key for info in store.list_page("many/")] == wanted[:1000]


def test_deleting_spares_the_neighbours(store: ObjectStore) -> None:
    """Emptied folders vanish while other keys are put into them."""

    def churn(name: str) -> None:
        for number in range(60):
            store.put(f"a/b/{name}", b"%d" % number)
            assert store.get(f"a/b/{name}") == b"%d" % number
            store.delete(f"a/b/{name}")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(churn, "xyz"))
    assert keys_of(store) == []
    store.put("a", b"now a file")


class Note(Record):
    text: str
    count: int = 0


def test_records_are_checked_json(store: ObjectStore) -> None:
    etag = write_model(store, "notes/a.json", Note(text="ä", count=1), if_absent=True)
    assert read_model(store, "notes/a.json", Note) == Note(text="ä", count=1)
    write_model(store, "notes/a.json", Note(text="b"), if_match=etag)
    for bad in (b"", b"{", b'{"count": 1}', b'{"text": "a", "count": "many"}', b"\xff\xfe"):
        store.put("notes/bad.json", bad)
        with pytest.raises(BadInput, match=r"notes/bad\.json is not (JSON|a valid Note)"):
            read_model(store, "notes/bad.json", Note)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "relative/folder",
        "ftp://host/x",
        "file://host/x",
        "file:x",
        "s3://bucket",
        "s3:///x?endpoint=http://h",
    ]
    + [f"s3://bucket?endpoint={end}" for end in ("h", "ftp://h", "http://h/path", "http://h:x", "http://[")]
    + [
        "s3://Bucket?endpoint=http://h",
        "s3://bucket?endpoint=http://h&frob=1",
        "s3://bucket/../x?endpoint=http://h",
    ],
)
def test_strange_urls_are_refused(url: str) -> None:
    with pytest.raises(BadInput, match=r"expected|cannot be read|not allowed"):
        open_store(url)
