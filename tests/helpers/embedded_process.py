"""A `voxloom up` in a process of its own, and the CLI to talk to it."""

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from voxloom import cli
from voxloom.audio import encode_wav
from voxloom.datadir import DataDir, Running

START_S = 90.0
STOP_S = 30.0


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


@contextlib.contextmanager
def up(
    data: Path, *options: str, env: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """The process, killed at the end if the test has not stopped it; what it prints goes to up.out."""
    arguments = [sys.executable, "-m", "voxloom.cli", "up", "--data", str(data), "--port-base", "0", *options]
    with open(data.parent / "up.out", "ab") as output:
        process = subprocess.Popen(arguments, stdout=output, stderr=output, env={**os.environ, **(env or {})})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until_up(data: Path, process: "subprocess.Popen[bytes]") -> Running:
    """Returns once all services answer; fails with what was printed if they do not."""
    printed = data.parent / "up.out"
    deadline = time.monotonic() + START_S
    while (running := DataDir(data).running()) is None:
        assert process.poll() is None, printed.read_text()
        assert time.monotonic() < deadline, printed.read_text()
        time.sleep(0.05)
    assert running.pid == process.pid
    return running


def wait_until_served(data: Path) -> None:
    """Returns once all services say that they can work; health is looked at twice a second."""
    deadline = time.monotonic() + START_S
    while {each["health"] for each in _services(data).values()} != {"serving"}:
        assert time.monotonic() < deadline, _services(data)
        time.sleep(0.1)


def _services(data: Path) -> dict[str, dict[str, str]]:
    status = json.loads(voxloom("status", "--data", str(data), "--json").out)
    found: dict[str, dict[str, str]] = status["services"]
    return found


def voxloom(*arguments: str, env: Mapping[str, str] | None = None) -> Outcome:
    """The CLI as a process."""
    command = [sys.executable, "-m", "voxloom.cli", *arguments]
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    return Outcome(done.returncode, done.stdout, done.stderr)


def voxloom_here(monkeypatch: pytest.MonkeyPatch, *arguments: str, stdin: bytes = b"") -> Outcome:
    """The CLI in this process, for speed."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["voxloom", *arguments])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                cli.main()
            except SystemExit as end:
                code = int(end.code or 0)
    return Outcome(code, out.getvalue(), err.getvalue())


def tone(path: Path) -> Path:
    """A WAV of one second that passes the recorder's checks."""
    seconds = np.arange(16000, dtype=np.float32) / 16000
    path.write_bytes(encode_wav((0.3 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)))
    return path
