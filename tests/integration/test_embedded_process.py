"""Embedded mode as a process: ports, the lock, signals, death of the parent, restart."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from embedded_process import STOP_S, tone, up, voxloom, wait_until_up

from voxloom.datadir import SERVICES, DataDir

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_serves_stops_on_a_signal_and_keeps_what_was_stored(
    tmp_path: Path, number: signal.Signals
) -> None:
    data = tmp_path / "data"
    take = tone(tmp_path / "take.wav")
    record = ("record", str(take), "--text", "a tone", "--speaker", "Ada", "--data", str(data))
    with up(data) as process:
        running = wait_until_up(data, process)
        assert list(running.addresses) == list(SERVICES)
        assert list(running.protocols) == ["studio", "openai", "wyoming"]
        assert len({*running.addresses.values(), *running.protocols.values()}) == 8
        with urllib.request.urlopen(f"http://{running.protocols['studio']}/services", timeout=10) as found:
            assert "down" not in json.load(found).values()
        first = voxloom(*record)
        assert first.code == 0, first.err
        process.send_signal(number)
        assert process.wait(STOP_S) == 0
        assert not (data / "voxloom.json").exists()
    with up(data) as process:
        wait_until_up(data, process)
        again = voxloom(*record)
        assert "the same take was there before" in again.out
    kinds = [json.loads(line)["kind"] for line in (data / "events.jsonl").read_text().splitlines()]
    assert "recording_stored" in kinds


def test_a_second_one_on_the_same_folder_is_refused_with_the_first_ones_process(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with up(data) as process:
        wait_until_up(data, process)
        second = voxloom("up", "--data", str(data), "--port-base", "0")
    assert second.code == 1
    assert f"process {process.pid}" in second.err
    assert "Traceback" not in second.err


def test_a_killed_one_does_not_block_the_next(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with up(data) as process:
        wait_until_up(data, process)
        process.kill()
        process.wait()
    stale = voxloom("status", "--data", str(data))
    assert stale.code == 1
    assert f"voxloom up --data {data}" in stale.err
    with up(data) as process:
        wait_until_up(data, process)


def test_a_busy_port_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = min(taken.getsockname()[1], 65529)
        found = voxloom("up", "--data", str(tmp_path / "data"), "--port-base", str(port))
    assert found.code == 1
    assert f"{port} (recorder)" in found.err
    assert "--port-base 0" in found.err
    assert "Traceback" not in found.err


def test_a_wrong_setting_is_named_with_its_range(tmp_path: Path) -> None:
    found = voxloom("up", "--data", str(tmp_path / "data"), env={"VOXLOOM_RETRAIN_NEW": "none"})
    assert found.code == 2
    assert "VOXLOOM_RETRAIN_NEW" in found.err
    assert "Traceback" not in found.err


def test_the_services_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    """A killed parent cannot tell them."""
    data = tmp_path / "data"
    code = (
        "import sys, time; from pathlib import Path; from voxloom.cli.launch import embedded\n"
        "from voxloom.datadir import DataDir\n"
        f"with embedded(DataDir(Path({str(data)!r})), {{}}) as running:\n"
        "    print(running.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert int(parent.stdout.readline()) != parent.pid
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + STOP_S
    while DataDir(data).is_locked():
        assert time.monotonic() < deadline, "the services outlived their parent"
        time.sleep(0.1)
