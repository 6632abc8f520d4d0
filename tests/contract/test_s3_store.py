"""What only an S3 server can get wrong: credentials, addresses, buckets, and the order of its lists."""

import contextlib
import socket
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from servers import StoreAddress, server

from voxloom.errors import BadInput, Conflict, Unavailable
from voxloom.storage import list_all, open_store
from voxloom.storage_minio import MinioStore

pytestmark = pytest.mark.connected


@pytest.mark.parametrize("keys", [("voxloom", "wrong"), ("nobody", "wrong"), ("", ""), ("voxloom", "")])
def test_wrong_credentials_are_refused(s3_address: StoreAddress, keys: tuple[str, str]) -> None:
    with pytest.raises(BadInput) as refused:
        replace(s3_address, access_key=keys[0], secret_key=keys[1]).open()
    assert "secret key" in str(refused.value) or "VOXLOOM_S3_SECRET_KEY" in str(refused.value)


def test_a_port_without_s3_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        open_store("s3://bucket?endpoint=http://127.0.0.1:1", access_key="a", secret_key="bbbbbbbb")


def test_the_bucket_is_made_by_whoever_comes_first(s3_address: StoreAddress) -> None:
    bucket = f"made-{uuid.uuid4().hex[:12]}"
    address = replace(s3_address, url=s3_address.url.replace("voxloom-test", bucket, 1))
    barrier = threading.Barrier(6)

    def open_one(number: int) -> None:
        barrier.wait()
        address.open().put(f"a/{number}", b"x")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(open_one, range(6)))
    store = address.open()
    assert len(list(list_all(store, "a/"))) == 6
    for info in list_all(store, ""):
        store.delete(info.key)
    store._client.remove_bucket(bucket)


def test_prefixes_do_not_see_each_other(s3_address: StoreAddress) -> None:
    inner = replace(s3_address, url=s3_address.url.replace("?", "/inner?", 1)).open()
    outer = s3_address.open()
    inner.put("a", b"x")
    outer.put("b", b"x")
    assert [info.key for info in list_all(inner, "")] == ["a"]
    assert [info.key for info in list_all(outer, "")] == ["b", "inner/a"]


def test_a_server_that_lists_by_folder_is_noticed(
    s3_address: StoreAddress, caplog: pytest.LogCaptureFixture
) -> None:
    store = s3_address.open()
    assert isinstance(store, MinioStore)
    by_folder, store._lists_by_folder = store._lists_by_folder, False
    for key in ("a/x", "a-b"):
        store.put(key, b"x")
    assert [info.key for info in store.list_page("")] == ["a-b", "a/x"]
    assert store._lists_by_folder == by_folder
    assert ("does not list by key" in caplog.text) == by_folder


class BreakingProxy:
    """A TCP proxy that cuts each connection after so many bytes of answer."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.answer_bytes = 1 << 40
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            upstream = socket.create_connection(self._target)
            for ends in ((client, upstream, 1 << 40), (upstream, client, self.answer_bytes)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket, rest: int) -> None:
        try:
            while rest > 0 and (data := source.recv(min(rest, 65536))):
                sink.sendall(data)
                rest -= len(data)
        except OSError:
            pass
        for end in (source, sink):
            with contextlib.suppress(OSError):  # the other direction did it
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def proxy(s3_address: StoreAddress) -> Iterator[BreakingProxy]:
    host, port = server("VOXLOOM_TEST_S3").rpartition("//")[2].split(":")
    proxy = BreakingProxy(host, int(port))
    yield proxy
    proxy.close()


def through(proxy: BreakingProxy, address: StoreAddress) -> MinioStore:
    url = f"{address.url.partition('?')[0]}?endpoint=http://127.0.0.1:{proxy.port}"
    return MinioStore.from_url(url, address.access_key, address.secret_key)


def test_a_read_goes_on_where_the_connection_broke(proxy: BreakingProxy, s3_address: StoreAddress) -> None:
    data = bytes(range(256)) * 20_000  # 5 MB
    s3_address.open().put("a", data)
    store = through(proxy, s3_address)
    with store.open("a") as file:
        start = file.read(1000)
    proxy.answer_bytes = 1_500_000
    store._http.clear()
    assert start == data[:1000]
    assert store.get("a") == data
    with store.open("a") as file:
        assert b"".join(iter(lambda: file.read(100_000), b"")) == data


def test_a_lost_answer_does_not_lose_the_race(proxy: BreakingProxy, s3_address: StoreAddress) -> None:
    """The server has written, the client never heard: its next try meets its own object."""
    store = through(proxy, s3_address)
    proxy.answer_bytes = 1  # so the server has answered, and thus written
    store._http.clear()
    threading.Timer(0.25, lambda: setattr(proxy, "answer_bytes", 1 << 40)).start()
    etag = store.put("a", b"mine", if_absent=True)
    assert store.get_with_etag("a") == (b"mine", etag)
    with pytest.raises(Conflict):
        store.put("a", b"mine", if_absent=True)
