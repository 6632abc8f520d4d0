"""Embedded mode on a real S3 server and a real broker: the same command, two variables."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from embedded_process import STOP_S, tone, up, voxloom, wait_until_up
from servers import StoreAddress

pytestmark = [pytest.mark.slow, pytest.mark.connected]


def test_it_runs_on_s3_and_rabbit_and_the_events_can_be_watched(
    tmp_path: Path, s3_address: StoreAddress, amqp_url: str
) -> None:
    data = tmp_path / "data"
    settings = {
        "VOXLOOM_STORE": s3_address.url,
        "VOXLOOM_S3_ACCESS_KEY": s3_address.access_key,
        "VOXLOOM_S3_SECRET_KEY": s3_address.secret_key,
        "VOXLOOM_BUS": amqp_url,
    }
    with up(data, env=settings) as process:
        running = wait_until_up(data, process)
        assert running.store == s3_address.url
        seen = watch_events(amqp_url)
        record_until_seen(data, tmp_path, seen)
        status = voxloom("status", "--data", str(data))
        assert status.code == 0, status.err
        process.terminate()
        assert process.wait(STOP_S) == 0
    assert json.loads(seen[0])["kind"] == "recording_stored"
    keys = [info.key for info in s3_address.open().list_page("raw/")]
    assert any(key.endswith(".wav") for key in keys)
    assert not (data / "raw").exists()
    assert "recording_stored" in (data / "events.jsonl").read_text()


def watch_events(amqp_url: str) -> list[str]:
    """Lines of `voxloom events` as they come, until the test ends."""
    lines: list[str] = []
    watcher = subprocess.Popen(
        [sys.executable, "-m", "voxloom.cli", "events"],
        env={**os.environ, "VOXLOOM_BUS": amqp_url},
        stdout=subprocess.PIPE,
        text=True,
    )

    def read() -> None:
        assert watcher.stdout is not None
        lines.append(watcher.stdout.readline())
        watcher.terminate()
        watcher.communicate()

    threading.Thread(target=read, daemon=True).start()
    return lines


def record_until_seen(data: Path, folder: Path, seen: list[str]) -> None:
    """A broker keeps nothing for whoever comes later, so takes are recorded until one is seen."""
    clip = tone(folder / "take.wav")
    deadline = time.monotonic() + 60
    while not seen:
        assert time.monotonic() < deadline, "no event was seen"
        text = f"take at {time.monotonic_ns()}"
        found = voxloom("record", str(clip), "--text", text, "--speaker", "Ada", "--data", str(data))
        assert found.code == 0, found.err
        time.sleep(0.3)
