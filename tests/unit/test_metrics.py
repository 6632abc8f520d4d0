"""What a process counts, where it is shown, and that the store's gauges are looked for apart."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import Metric
from scraping import free_port, scrape, series

import voxloom
from voxloom import gauges, metrics, rpc
from voxloom.bus import MemoryBus, new_event
from voxloom.errors import BadInput, Unavailable
from voxloom.events import announce
from voxloom.gauges import Shown, gauge, look_at_jobs
from voxloom.jobs import Jobs
from voxloom.runtime import Service, run_service
from voxloom.storage import FolderStore
from voxloom.v1 import inference_pb2, inference_pb2_grpc
from voxloom.v1.events_pb2 import RecordingStored

SERVICE = "voxloom.v1.InferenceService"


def sample(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


class Inference(inference_pb2_grpc.InferenceServiceServicer):
    async def Recognize(self, request: object, context: object) -> inference_pb2.RecognizeResponse:
        raise Unavailable("no model yet")


def register(server: grpc.aio.Server) -> list[str]:
    inference_pb2_grpc.add_InferenceServiceServicer_to_server(Inference(), server)  # type: ignore[no-untyped-call]
    return [SERVICE]


def call_both(port: int) -> None:
    with rpc.channel(f"127.0.0.1:{port}") as channel:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        with pytest.raises(grpc.RpcError):
            inference_pb2_grpc.InferenceServiceStub(channel).Recognize(inference_pb2.RecognizeRequest())  # type: ignore[no-untyped-call]


def test_a_call_is_counted_by_service_method_and_code_and_a_health_check_is_not() -> None:
    labels = {"service": "inference", "method": "Recognize"}
    before = sample("voxloom_grpc_calls_total", **labels, code="UNAVAILABLE")
    timed = sample("voxloom_grpc_call_duration_seconds_count", **labels)

    async def serve_and_call() -> None:
        server = await rpc.start_server(register, "127.0.0.1:0")
        try:
            await asyncio.to_thread(call_both, server.port)
        finally:
            await server.stop(0)

    asyncio.run(serve_and_call())
    assert sample("voxloom_grpc_calls_total", **labels, code="UNAVAILABLE") == before + 1
    assert sample("voxloom_grpc_call_duration_seconds_count", **labels) == timed + 1
    methods = {each.labels.get("method") for family in metrics.CALLS.collect() for each in family.samples}
    assert "Check" not in methods


def test_metrics_are_served_until_the_block_ends() -> None:
    port = free_port()
    for _ in range(2):
        with metrics.served("127.0.0.1", port):
            found = scrape(port)
    build = next(name for name in found if name.startswith("voxloom_build_info"))
    assert f'version="{voxloom.__version__}"' in build
    assert found["process_resident_memory_bytes"] > 0
    assert not [name for name in found if "_created{" in name]
    with pytest.raises(OSError):
        scrape(port)


def test_port_0_serves_nothing() -> None:
    with metrics.served("nowhere.invalid", 0):
        pass


def test_a_busy_port_is_named_with_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=rf"127\.0\.0\.1:{port}.*VOXLOOM_METRICS_PORT"):
            with metrics.served("127.0.0.1", port):
                pass


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_a_bracketed_host_can_be_bound() -> None:
    with metrics.served("[::1]", free_port()):
        pass


def test_events_are_counted_by_how_it_went() -> None:
    event = new_event("spoon", "u", RecordingStored(utterance="u"))
    published, lost = (
        sample("voxloom_events_published_total", kind="recording_stored", outcome=outcome)
        for outcome in ("published", "lost")
    )
    bus = MemoryBus()
    announce(bus, event)
    bus.close()
    announce(bus, event)
    assert sample("voxloom_events_published_total", kind="recording_stored", outcome="published") == (
        published + 1
    )
    assert sample("voxloom_events_published_total", kind="recording_stored", outcome="lost") == lost + 1


def test_a_reconcile_is_timed_and_its_failure_counted_and_passed_on() -> None:
    def fail() -> None:
        raise Unavailable("the store is away")

    metrics.reconciled("fork", lambda: None)()
    with pytest.raises(Unavailable):
        metrics.reconciled("fork", fail)()
    assert sample("voxloom_reconcile_duration_seconds_count", service="fork") == 2
    assert sample("voxloom_reconcile_failures_total", service="fork") == 1


def test_a_failed_handler_is_counted_and_the_failure_passed_on() -> None:
    with metrics.handling("fork", "model_trained"):
        pass
    with pytest.raises(BadInput), metrics.handling("fork", "model_trained"):
        raise BadInput("what is this?")
    for outcome in ("handled", "failed"):
        labels = {"service": "fork", "kind": "model_trained", "outcome": outcome}
        assert sample("voxloom_events_handled_total", **labels) == 1


class TestShown:
    def test_several_services_share_a_metric_and_it_is_shown_once(self) -> None:
        shown = Shown()
        shown.look("fork", [lambda: [gauge("voxloom_tines", "Tines.", 4, kind="fork")]])
        shown.look("spoon", [lambda: [gauge("voxloom_tines", "Tines.", 0, kind="spoon")]])
        for _ in range(2):
            (family,) = shown.collect()
            assert series([family]) == {
                'voxloom_tines{kind="fork"}': 4,
                'voxloom_tines{kind="spoon"}': 0,
            }

    def test_what_cannot_be_read_is_not_shown_and_keeps_nothing_else_from_it(self) -> None:
        shown, away = Shown(), [False]

        def look() -> Iterator[Metric]:
            yield gauge("voxloom_tines", "Tines.", 4)
            if away[0]:
                raise Unavailable("the store is away")

        looks = [look, lambda: [gauge("voxloom_handles", "Handles.", 1)]]
        shown.look("fork", looks)
        assert [family.name for family in shown.collect()] == ["voxloom_handles", "voxloom_tines"]
        away[0] = True
        with pytest.raises(Unavailable):
            shown.look("fork", looks)
        assert [family.name for family in shown.collect()] == ["voxloom_handles"]


def test_jobs_are_shown_by_state_with_the_age_and_progress_of_the_one_in_progress(tmp_path: Path) -> None:
    jobs = Jobs(FolderStore(tmp_path), clock=lambda: 1_700_000_000.0)
    look = look_at_jobs(jobs, "polish", "rinse")
    jobs.submit("polish", "p-1", {})
    jobs.submit("polish", "p-2", {})
    lease = jobs.claim("polish")
    assert lease is not None
    with lease:
        lease.progress(1, 4)
    shown = Shown()
    lease.interrupt()
    assert jobs.claim("polish") is not None
    shown.look("fork", [look])
    found = series(shown.collect())
    assert found['voxloom_jobs{kind="polish",state="accepted"}'] == 1
    assert found['voxloom_jobs{kind="polish",state="running"}'] == 1
    assert found['voxloom_jobs{kind="rinse",state="failed"}'] == 0
    assert found['voxloom_running_job_accepted_timestamp_seconds{kind="polish"}'] == 1_700_000_000
    assert found['voxloom_running_job_progress_ratio{kind="polish"}'] == 0.25
    assert 'voxloom_running_job_progress_ratio{kind="rinse"}' not in found


@pytest.mark.parametrize("observed", [True, False])
def test_the_store_is_looked_at_only_while_metrics_are_served(
    observed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gauges, "PERIOD_S", 0.05)
    looked: list[int] = []
    handled: list[int] = []

    def look() -> list[Metric]:
        looked.append(1)
        raise KeyError("a bug")

    spoon = Service("spoon", "127.0.0.1:0", register, {}, reconcile=lambda: handled.append(1), looks=[look])

    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(
            run_service(spoon, MemoryBus(), stop, grace_s=2, reconcile_period_s=0.05, observed=observed)
        )
        async with asyncio.timeout(10):
            while len(handled) < 5:
                await asyncio.sleep(0.02)
        stop.set()
        await running

    asyncio.run(run())
    assert bool(looked) is observed
