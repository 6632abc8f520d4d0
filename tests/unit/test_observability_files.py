"""The overlay only adds, shuts what it adds in, and its files fit each other."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "observability"
OVERLAY = yaml.safe_load((ROOT / "deploy" / "compose.observability.yaml").read_text())
BASE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DASHBOARD = json.loads((FOLDER / "dashboards" / "loop.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ADDED = ("prometheus", "grafana")
METRICS_PORT = 9464


def test_the_services_get_a_metrics_port_and_nothing_else() -> None:
    services = {name: each for name, each in OVERLAY["services"].items() if name not in ADDED}
    assert sorted(services) == ["inference", "ingest", "optimizer", "recorder", "trainer"]
    for each in services.values():
        assert each == {"environment": {"VOXLOOM_METRICS_PORT": str(METRICS_PORT)}}


def test_what_is_added_was_not_there() -> None:
    assert not set(ADDED) & set(BASE["services"])
    assert not set(OVERLAY["volumes"]) & set(BASE["volumes"])


@pytest.mark.parametrize("name", ADDED)
def test_what_is_added_is_shut_in(name: str) -> None:
    service = OVERLAY["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service["user"].startswith("0")
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["mem_limit"]
    assert service["cpus"]
    assert service["logging"]["options"]["max-size"]
    assert service["healthcheck"]["test"]


def test_bind_mounts_are_read_only_and_of_files_that_exist() -> None:
    mounts = [mount for name in ADDED for mount in OVERLAY["services"][name]["volumes"]]
    bound = [mount.split(":") for mount in mounts if mount.startswith(".")]
    assert len(bound) == 5
    for source, _, mode in bound:
        assert mode == "ro"
        assert (ROOT / source).exists(), source


def test_grafana_has_no_account_and_anonymous_people_only_look() -> None:
    environment = OVERLAY["services"]["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert not [name for name in environment if "PASSWORD" in name]


def test_prometheus_asks_the_port_that_the_services_serve() -> None:
    (job, *_) = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert found["port"] == METRICS_PORT
    assert set(found["names"]) == set(OVERLAY["services"]) - set(ADDED)


def test_grafana_finds_the_datasource_and_the_dashboard() -> None:
    provisioned = FOLDER / "grafana"
    (source,) = yaml.safe_load((provisioned / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioned / "dashboards" / "loop.yml").read_text())["providers"]
    mounted = OVERLAY["services"]["grafana"]["volumes"]
    assert f"./deploy/observability/dashboards:{provider['options']['path']}:ro" in mounted


def test_every_panel_says_what_it_shows_and_in_which_unit() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in PANELS:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]


def test_panels_do_not_overlap() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        taken = set(_cells(panel["gridPos"]))
        assert not taken & cells, panel["title"]
        cells |= taken


def _cells(place: dict[str, Any]) -> list[tuple[int, int]]:
    assert place["x"] + place["w"] <= 24
    rows = range(place["y"], place["y"] + place["h"])
    return [(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in rows]
