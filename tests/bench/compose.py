"""How fast and how small the containers are, against their limits: python tests/bench/compose.py

On empty volumes: seconds from `docker compose up` (images built) until all are healthy, of 60; memory of the
five services together after half a minute of idleness, of 1.2 GB; sizes of the images, whole and without the
base image.
"""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "compose"))
from stack import Stack, base_images, why_not

from voxloom.datadir import SERVICES

START_LIMIT_S = 60.0
IDLE_LIMIT_MB = 1200.0
IDLE_S = 30.0
UNITS = {"B": 1e-6, "KiB": 1.024e-3, "kB": 1e-3, "MiB": 1.048576, "MB": 1.0, "GiB": 1073.741824, "GB": 1000.0}


def main() -> int:
    if reason := why_not():
        print(f"containers cannot be run here: {reason}")
        return 1
    stack = Stack("voxloom-bench")
    try:
        stack.compose("--profile", "*", "build", timeout_s=2400)
        began = time.monotonic()
        stack.up()
        told("all healthy", time.monotonic() - began, START_LIMIT_S, "s")
        time.sleep(IDLE_S)
        idle = {name: memory_mb(stack, name) for name in (*SERVICES, "gateway", "rabbitmq", "minio")}
        told("five services, idle", sum(idle[name] for name in SERVICES), IDLE_LIMIT_MB, "MB")
        for name, used in idle.items():
            print(f"  {name:<10} {used:7.0f} MB")
    finally:
        stack.down()
    base = size_mb(base_images()[0])
    print(f"images, and what they add to the base image of {base:.0f} MB")
    for name in (*SERVICES, "cli", "gateway"):
        whole = size_mb(f"voxloom-{name}")
        print(f"  {name:<10} {whole:7.0f} MB  {whole - base:+7.0f} MB")
    return 0


def told(what: str, found: float, limit: float, unit: str) -> None:
    print(f"{what}: {found:.1f} {unit} of {limit:.0f} {unit}, ratio {found / limit:.2f}")


def memory_mb(stack: Stack, service: str) -> float:
    ids = [container["Id"] for container in stack.containers(service)]
    command = ["docker", "stats", "--no-stream", "--format", "{{json .}}", *ids]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return sum(megabytes(json.loads(line)["MemUsage"].split("/")[0]) for line in lines)


def size_mb(image: str) -> float:
    command = ["docker", "image", "inspect", "--format", "{{.Size}}", image]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1e6


def megabytes(text: str) -> float:
    number, unit = re.fullmatch(r"\s*([\d.]+)\s*(\w+)\s*", text).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit]


if __name__ == "__main__":
    sys.exit(main())
