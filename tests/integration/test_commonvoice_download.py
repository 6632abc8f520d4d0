"""Downloads from a local server that speaks as the Mozilla Data Collective does, and fails as networks do."""

import hashlib
import json
import os
import random
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from voxloom.cli import download
from voxloom.cli.download import fetch
from voxloom.errors import BadInput, Exhausted, NotFound, NotReady, Unauthenticated, Unavailable, VoxloomError

pytestmark = pytest.mark.slow
pytest.importorskip("datacollective", reason="needs Python 3.11.4")

ARCHIVE = random.Random(1).randbytes(700_000)
NAME = "cv-corpus-17.0-2024-03-15-cy.tar.gz"


@dataclass
class Platform:
    """What the server holds, how it fails, and what it was asked."""

    url: str = ""
    archive: bytes = ARCHIVE
    name: str = NAME
    checksum: str = hashlib.sha256(ARCHIVE).hexdigest()
    status: int = 200  # of the request for a download
    breaks_after: int = 0  # bytes of each answer; 0 is never
    heeds_ranges: bool = True
    ranges: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


def _handler(platform: Platform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            assert self.path == "/api/datasets/welsh/download"
            platform.keys.append(self.headers["Authorization"])
            if platform.status != 200:
                self._json(platform.status, {"message": "as the platform says"})
                return
            answer = {"downloadUrl": f"{platform.url}/file", "filename": platform.name}
            self._json(200, answer | {"sizeBytes": len(platform.archive), "checksum": platform.checksum})

        def do_GET(self) -> None:
            if self.path == "/file":
                self._file()
            elif self.path == "/api/datasets/welsh":
                details = {"id": "welsh", "filename": platform.name, "checksum": platform.checksum}
                self._json(200, details | {"sizeBytes": len(platform.archive)})
            else:
                self._json(404, {"message": "no such dataset"})

        def _file(self) -> None:
            wanted = self.headers.get("Range", "")
            platform.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-") or 0) if platform.heeds_ranges else 0
            data = platform.archive[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: platform.breaks_after or len(data)])
            self.close_connection = True

        def _json(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    found = Platform()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(found))
    found.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("MDC_API_URL", f"{found.url}/api")
    monkeypatch.setenv("MDC_API_KEY", "secret")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_download_is_whole_and_kept(platform: Platform, tmp_path: Path) -> None:
    path = fetch("welsh", tmp_path / "new")
    assert path == tmp_path / "new" / NAME
    assert path.read_bytes() == ARCHIVE
    assert list(path.parent.iterdir()) == [path]
    assert fetch("welsh", tmp_path / "new") == path
    assert platform.ranges == [""]
    assert platform.keys == ["Bearer secret"]


def test_connections_that_break_are_resumed_where_they_broke(platform: Platform, tmp_path: Path) -> None:
    platform.breaks_after = 300_000
    assert fetch("welsh", tmp_path).read_bytes() == ARCHIVE
    assert platform.ranges[0] == ""
    assert all(each.startswith("bytes=") for each in platform.ranges[1:])
    assert len(platform.ranges) == 3


def test_a_later_command_goes_on_where_an_earlier_one_gave_up(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(ARCHIVE[:500_000])
    (tmp_path / f"{NAME}.checksum").write_text(platform.checksum)
    assert fetch("welsh", tmp_path).read_bytes() == ARCHIVE
    assert platform.ranges == ["bytes=500000-"]


def test_a_server_that_gives_nothing_new_is_not_asked_for_ever(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_PAUSE_S", 0.0)
    platform.breaks_after = -100_000  # the last of them never come
    with pytest.raises(Unavailable, match=r"broke off at 589\.8 kB .*the same command goes on there"):
        fetch("welsh", tmp_path)
    assert platform.ranges == ["", *["bytes=589824-"] * 4]  # whole pieces of 64 KiB are kept
    platform.breaks_after = 0
    assert fetch("welsh", tmp_path).read_bytes() == ARCHIVE


def test_a_download_that_was_killed_at_its_end_is_not_asked_for_again(
    platform: Platform, tmp_path: Path
) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(ARCHIVE)
    (tmp_path / f"{NAME}.checksum").write_text(platform.checksum)
    assert fetch("welsh", tmp_path).read_bytes() == ARCHIVE
    assert platform.ranges == []
    assert [each.name for each in tmp_path.iterdir()] == [NAME]


def test_a_server_without_ranges_does_not_make_a_file_of_two_beginnings(
    platform: Platform, tmp_path: Path
) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(ARCHIVE[:500_000])
    (tmp_path / f"{NAME}.checksum").write_text(platform.checksum)
    platform.heeds_ranges = False
    assert fetch("welsh", tmp_path).read_bytes() == ARCHIVE
    assert platform.ranges == ["bytes=500000-", ""]


def test_a_beginning_that_was_damaged_is_thrown_away(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(bytes(500_000))
    (tmp_path / f"{NAME}.checksum").write_text(platform.checksum)
    assert fetch("welsh", tmp_path).read_bytes() == ARCHIVE
    assert platform.ranges == ["bytes=500000-", ""]


def test_an_old_file_of_that_name_is_not_taken_for_the_archive(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"half")
    assert fetch("welsh", tmp_path).read_bytes() == ARCHIVE


def test_another_check_sum_is_an_error_and_leaves_nothing(platform: Platform, tmp_path: Path) -> None:
    platform.archive = ARCHIVE[:-1] + bytes([ARCHIVE[-1] ^ 1])
    with pytest.raises(BadInput, match=r"damaged: its SHA-256 check sum is another"):
        fetch("welsh", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "error", "match"),
    [
        (401, Unauthenticated, "does not accept the key in MDC_API_KEY.*API keys"),
        (403, NotReady, r"as the platform says\): open .*/datasets/welsh, sign in .* accept the terms"),
        (404, NotFound, "there is no dataset welsh"),
        (410, NotFound, "withdrawn.*newer release"),
        (429, Exhausted, "try again in an hour.*in a browser"),
        (500, Unavailable, "cannot be reached"),
    ],
)
def test_each_refusal_of_the_platform_says_what_to_do(
    platform: Platform, tmp_path: Path, status: int, error: type[VoxloomError], match: str
) -> None:
    platform.status = status
    with pytest.raises(error, match=match):
        fetch("welsh", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_key_it_says_where_one_is_made(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MDC_API_KEY")
    with pytest.raises(Unauthenticated, match=r"needs a key in MDC_API_KEY; make one.*export MDC_API_KEY="):
        fetch("welsh", tmp_path)


@pytest.mark.parametrize("name", ["../evil.tar.gz", "/etc/passwd", ".bashrc", "a/b.tar.gz"])
def test_a_hostile_file_name_is_not_written(platform: Platform, tmp_path: Path, name: str) -> None:
    platform.name = name
    with pytest.raises(BadInput, match="no archive that can be stored"):
        fetch("welsh", tmp_path)


@pytest.mark.parametrize("dataset", ["../admin", "a/b", "", "x?y=1"])
def test_only_ids_are_asked_for(platform: Platform, tmp_path: Path, dataset: str) -> None:
    with pytest.raises(BadInput, match="no id of a dataset"):
        fetch(dataset, tmp_path)


def test_a_platform_that_is_away(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MDC_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(Unavailable, match="cannot be reached"):
        fetch("welsh", tmp_path)


def test_the_library_brings_only_its_own_settings(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in sys.modules if each.split(".")[0] == "datacollective"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / ".env").write_text("VOXLOOM_STORE=file:///elsewhere\nMDC_DOWNLOAD_PATH=x\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VOXLOOM_STORE", raising=False)
    monkeypatch.setenv("MDC_DOWNLOAD_PATH", "")
    fetch("welsh", tmp_path)
    assert "VOXLOOM_STORE" not in os.environ


def test_without_the_library_it_says_how_to_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datacollective", None)
    with pytest.raises(NotReady, match=r"needs the package datacollective.*give its path"):
        fetch("welsh", tmp_path)
