"""Prometheus finds every container by its name, and people who only look see the loop in Grafana."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from scraping import free_port
from stack import Stack, can_be_had, eventually

from voxloom.datadir import SERVICES

pytestmark = pytest.mark.compose

OVERLAYS = ("tests/compose/loop.yaml", "deploy/compose.observability.yaml")
ADDED = ("prometheus", "grafana")


@dataclass(frozen=True)
class Watched:
    """The stack, and what the overlay adds to it, as far as images can be had."""

    stack: Stack
    images: dict[str, str]
    running: list[str]

    def need(self, service: str) -> None:
        if service not in self.running:
            pytest.skip(f"the image {self.images[service]} is neither here nor can it be pulled")

    def get(self, service: str, path: str, method: str = "GET") -> Any:
        """The JSON that it answers."""
        port = self.stack.environment[f"VOXLOOM_{service.upper()}_PORT"]
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def query(self, expression: str) -> Any:
        path = f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        return self.get("prometheus", path)["data"]["result"]


@pytest.fixture(scope="module")
def watched(images: None) -> Iterator[Watched]:
    """All services, inference twice."""
    ports = {f"VOXLOOM_{name.upper()}_PORT": str(free_port()) for name in ADDED}
    stack = Stack("voxloom-watched", *OVERLAYS, **ports)
    services = json.loads(stack.compose("config", "--format", "json"))["services"]
    named = {name: services[name]["image"] for name in ADDED}
    running = [name for name in ADDED if can_be_had(named[name])]
    try:
        stack.up("--scale", "inference=2", "gateway", *running)
        yield Watched(stack, named, running)
    finally:
        stack.down()


def test_prometheus_reads_every_container_of_every_service(watched: Watched) -> None:
    watched.need("prometheus")
    wanted = dict.fromkeys((*SERVICES, "gateway"), "1") | {"inference": "2"}

    def answering() -> dict[str, str]:
        return {each["metric"]["job"]: each["value"][1] for each in watched.query("sum by (job) (up)")}

    eventually(lambda: wanted.items() <= answering().items(), 90, f"{wanted} answer Prometheus")


def test_what_prometheus_knows_outlives_its_container(watched: Watched) -> None:
    watched.need("prometheus")
    seen = 'max_over_time(voxloom_reconcile_duration_seconds_count{service="trainer"}[1h])'
    eventually(lambda: watched.query(seen), 60, "the trainer is seen")
    watched.stack.compose("stop", "trainer")
    watched.stack.compose("up", "--detach", "--no-deps", "--force-recreate", "--wait", "prometheus")
    assert watched.query(seen)
    watched.stack.compose("start", "trainer")


def test_grafana_shows_the_loop_to_anybody_and_lets_nobody_change_it(watched: Watched) -> None:
    watched.need("grafana")
    board = watched.get("grafana", "/api/dashboards/uid/voxloom-loop")
    assert board["meta"]["canSave"] is False
    proxied = "/api/datasources/proxy/uid/voxloom-prometheus/api/v1/query?query=up"
    eventually(lambda: watched.get("grafana", proxied)["data"]["result"], 60, "Grafana asks Prometheus")
    for method, path in (("DELETE", "/api/dashboards/uid/voxloom-loop"), ("GET", "/api/admin/settings")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            watched.get("grafana", path, method)
        assert refused.value.code in (401, 403)


@pytest.mark.parametrize("service", ADDED)
def test_what_is_added_is_confined(watched: Watched, service: str) -> None:
    watched.need(service)
    (container,) = watched.stack.containers(service)
    host = container["HostConfig"]
    assert container["Config"]["User"].split(":")[0] not in ("", "0", "root")
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0
    assert container["State"]["Health"]["Status"] == "healthy"
