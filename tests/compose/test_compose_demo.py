"""`docker compose --profile demo up`: the loop on the whole example corpus, inside the containers."""

import subprocess
from collections.abc import Iterator

import pytest
from stack import Stack, eventually

pytestmark = pytest.mark.compose


@pytest.fixture
def demo(images: None) -> Iterator[Stack]:
    stack = Stack("voxloom-demo", "tests/compose/loop.yaml")
    try:
        yield stack
    finally:
        stack.down()


def test_the_demo_walks_the_loop_in_containers(demo: Stack) -> None:
    demo.compose("--profile", "demo", "up", "--detach", timeout_s=600)
    state = eventually(lambda: ended(demo), 600, "the demo's end", demo.logs)
    told = demo.compose("logs", "--no-color", "--no-log-prefix", "demo")
    assert state["ExitCode"] == 0, told
    for phase in (
        "they are empty",
        "a training starts by itself",
        "inference swaps to it",
        "Recognize, ",
        ": WER ",
    ):
        assert phase in told
    assert len(demo_report(demo)) > 0
    again = demo.compose("--profile", "demo", "run", "--rm", "-T", "--no-deps", "demo")
    assert "is finished" in again


def ended(stack: Stack) -> dict[str, object] | None:
    [container] = stack.containers("demo")
    state: dict[str, object] = container["State"]
    return state if state["Status"] == "exited" else None


def demo_report(stack: Stack) -> str:
    """The report in the volume, which outlives its container."""
    command = ["docker", "run", "--rm", "--volume", f"{stack.project}_demo:/demo:ro", "--entrypoint", "cat"]
    image = ["voxloom-cli", "/demo/demo-report.json"]
    return subprocess.run([*command, *image], check=True, capture_output=True, text=True).stdout
