"""Two machines as far as the network goes: namespaces with nothing but a cable between them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

RENDEZVOUS_PORT = 29531


@dataclass(frozen=True)
class Node:
    namespace: str
    interface: str
    address: str

    def run(self, *words: str) -> None:
        subprocess.run(["ip", "-n", self.namespace, *words], check=True, capture_output=True)

    def start(self, command: tuple[str, ...], **settings: str) -> "subprocess.Popen[str]":
        return start(("ip", "netns", "exec", self.namespace, *command), self.interface, **settings)


def start(command: tuple[str, ...], interface: str, **settings: str) -> "subprocess.Popen[str]":
    """One thread a process; gloo talks through the interface."""
    env = {
        **os.environ,
        "PYTHONPATH": ":".join(sys.path),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": interface,
        **settings,
    }
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def why_not() -> str:
    """Why there can be none here; empty where they can."""
    if not shutil.which("ip"):
        return "there is no `ip` here (Debian's iproute2)"
    made = subprocess.run(["ip", "netns", "add", "voxloom-try"], capture_output=True, text=True)
    if made.returncode:
        return f"no network namespaces here: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "delete", "voxloom-try"], check=True)
    return ""


@contextmanager
def two_nodes() -> Iterator[tuple[Node, Node]]:
    name = f"vl{os.getpid()}"
    nodes = tuple(Node(f"{name}-{end}", f"{name}{end}", f"10.77.0.{end}") for end in (1, 2))
    first, second = nodes
    try:
        for node in nodes:
            subprocess.run(["ip", "netns", "add", node.namespace], check=True)
        cable = ["link", "add", first.interface, "type", "veth", "peer", "name", second.interface]
        first.run(*cable, "netns", second.namespace)
        for node in nodes:
            node.run("addr", "add", f"{node.address}/24", "dev", node.interface)
            for interface in ("lo", node.interface):
                node.run("link", "set", interface, "up")
        yield first, second
    finally:
        for node in nodes:
            with suppress(subprocess.CalledProcessError):
                subprocess.run(["ip", "netns", "delete", node.namespace], check=True, capture_output=True)


def torchrun(nodes: tuple[Node, Node], *command: str, **settings: str) -> list["subprocess.Popen[str]"]:
    """The command under torchrun with one process on each node; the agents of both."""
    started = []
    for node in nodes:
        agent = (
            *(sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"),
            *("--rdzv-backend=c10d", f"--rdzv-endpoint={nodes[0].address}:{RENDEZVOUS_PORT}"),
            f"--rdzv-conf=is_host={int(node is nodes[0])}",
            *(f"--local-addr={node.address}", "--max-restarts=4"),
        )
        started.append(node.start((*agent, *command), **settings))
    return started
