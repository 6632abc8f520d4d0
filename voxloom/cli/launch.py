"""Starting the embedded services: the kernel may not import them, so they are another process."""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import voxloom
from voxloom.datadir import DataDir, Running
from voxloom.errors import NotReady, Unavailable

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 40.0
_TAIL_BYTES = 2000


def command(data: Path, port_base: int, *extra: str) -> list[str]:
    """The services of the same installation as this CLI, whatever lies in the working directory."""
    if importlib.util.find_spec("services") is None:
        raise NotReady("the services are not installed; install everything with: pip install 'voxloom[all]'")
    return [sys.executable, "-m", "services", f"--data={data}", f"--port-base={port_base}", *extra]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours, with the folder of this very package first on the path and the working directory off it."""
    home = str(Path(voxloom.__file__).resolve().parent.parent)
    paths = [home, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1", **(extra or {})}


@contextmanager
def embedded(data: DataDir, settings: Mapping[str, str]) -> Iterator[Running]:
    """Runs the services on free ports until the block ends; those that run on the folder already are used."""
    running = data.running()
    if running is not None:
        yield running
        return
    data.root.mkdir(parents=True, exist_ok=True)
    log = data.root / "voxloom.out"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command(data.root, 0, f"--until-gone={os.getpid()}"),
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches this process, which then ends that one in order
        )
    try:
        yield wait_until_up(data, process, log)
    finally:
        stop(process)


def wait_until_up(data: DataDir, process: "subprocess.Popen[bytes]", log: Path) -> Running:
    """Returns once all services answer; Unavailable with their last words if they ended or take too long."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        running = data.running()
        if running is not None and running.pid == process.pid:
            return running
        time.sleep(0.1)
    words = log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
    what = "did not start in time" if process.poll() is None else f"ended with code {process.returncode}"
    raise Unavailable(f"the services {what}: {words or 'they said nothing'}; their log is {data.log_file}")


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Asks for an orderly end; a running training is checkpointed and continues at the next start."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
