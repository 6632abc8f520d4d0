"""The header of docker-compose.yml says that each overlay goes with each other: Compose accepts them all."""

from itertools import chain, combinations

import pytest
from stack import ROOT, Stack

pytestmark = pytest.mark.compose

OVERLAYS = sorted(f"deploy/{path.name}" for path in (ROOT / "deploy").glob("compose.*.yaml"))
COMBINATIONS = list(chain.from_iterable(combinations(OVERLAYS, count) for count in range(len(OVERLAYS) + 1)))
ELSEWHERE = {
    "VOXLOOM_STORE": "s3://bucket?endpoint=http://host",
    "VOXLOOM_S3_ACCESS_KEY": "a",
    "VOXLOOM_S3_SECRET_KEY": "b",
}


def test_every_combination_of_overlays_is_a_project(images: None) -> None:
    assert len(COMBINATIONS) == 32
    for overlays in COMBINATIONS:
        stack = Stack("voxloom-config", *overlays, **ELSEWHERE)
        services = set(stack.compose("config", "--services").split())
        assert ("minio" in services) == ("deploy/compose.external-s3.yaml" not in overlays)
        assert {"recorder", "ingest", "trainer", "optimizer", "inference", "gateway"} <= services
