"""The compose files as text: what each of them promises, without an engine."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from voxloom.datadir import SERVICES

ROOT = Path(__file__).parents[2]
BASE = ROOT / "docker-compose.yml"
OVERLAYS = sorted((ROOT / "deploy").glob("compose.*.yaml"))
FILES = [BASE, *OVERLAYS]
ONE_SHOT = {"secrets", "cli", "demo", "certificate"}
NOT_OURS = {"PWD"}  # the shell's
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z0-9_]+)(?::([-?])([^}]*))?\}")


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def examples() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def interpolated() -> dict[str, set[str]]:
    """Variable -> the defaults it has in the files; a build argument without a value has none there."""
    found: dict[str, set[str]] = {}
    for path in FILES:
        text = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
        for name, kind, default in VARIABLE.findall(text):
            found.setdefault(name, set()).add("" if kind == "?" else default)
        for service in read(path)["services"].values():
            for name, value in (service.get("build") or {}).get("args", {}).items():
                if value is None:
                    found.setdefault(name, set())
    return {name: defaults for name, defaults in found.items() if name not in NOT_OURS}


def test_every_variable_stands_in_the_example_with_its_default_and_no_other_does() -> None:
    known = examples()
    assert set(known) == set(interpolated())
    assert len(known) <= 25
    for name, defaults in interpolated().items():
        assert defaults <= {known[name]}, name


def test_defaults_of_build_arguments_are_those_of_the_example() -> None:
    dockerfile, torch = (ROOT / "deploy/Dockerfile").read_text(), (ROOT / "scripts/torch.env").read_text()
    assert f"ARG PYTHON_IMAGE={examples()['PYTHON_IMAGE']}\n" in dockerfile
    assert f"TORCH_CPU_INDEX-{examples()['TORCH_CPU_INDEX']}}}" in torch


def test_no_secret_has_a_default() -> None:
    for name, defaults in interpolated().items():
        if re.search("PASSWORD|SECRET|KEY", name):
            assert defaults <= {""}, name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_images_are_pinned_and_no_port_is_open_to_a_network(path: Path) -> None:
    for name, service in read(path)["services"].items():
        image = service.get("image", "voxloom-x")
        if not image.startswith("voxloom-"):
            default = VARIABLE.sub(lambda match: match[3], image)
            assert re.search(r":(?!latest)[\w.-]*\d", default), (name, image)
        for port in service.get("ports", ()):
            host = VARIABLE.sub(lambda match: match[3], str(port)).split(":")[0]
            assert host == "127.0.0.1", (name, port)


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.name)
def test_an_overlay_names_no_service_anew_that_the_base_has(path: Path) -> None:
    """It adds services, or adds to services; what it changes of a value is a variable of the environment."""
    base = read(BASE)["services"]
    for name, service in read(path)["services"].items():
        if name in base:
            allowed = {
                "environment",
                "volumes",
                "depends_on",
                "deploy",
                "build",
                "image",
                "profiles",
                "ports",
            }
            assert set(service) <= allowed, name
        else:
            assert {"image", "read_only", "cap_drop", "user", "logging", "mem_limit"} <= set(service), name


def test_every_container_of_the_base_is_bounded_and_watched() -> None:
    for name, service in read(BASE)["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["user"] != "root"
        assert "mem_limit" in service, name
        if name not in ONE_SHOT:
            assert {"cpus", "cpu_quota"} & set(service), name
            assert service["restart"] == "unless-stopped"
            assert "healthcheck" in service or name in SERVICES, name  # theirs is in the Dockerfile


def test_the_gateway_knows_every_service_at_its_port() -> None:
    config = (ROOT / "deploy/gateway.cfg").read_text()
    for index, name in enumerate(SERVICES):
        port = 50051 + index
        assert re.search(
            rf"listen {name}\n  bind :{port} .*\n  server-template \w+ \d+ {name}:{port}\n", config
        )


def test_protocols_beside_grpc_have_one_port_in_all_files() -> None:
    """OpenAI's and the studio are published with the services; Wyoming, without keys, by its overlay."""
    config, base = (ROOT / "deploy/gateway.cfg").read_text(), read(BASE)["services"]
    for protocol, port in (("http", 50056), ("wyoming", 50058)):
        assert base["inference"]["environment"][f"VOXLOOM_INFERENCE_{protocol.upper()}_PORT"] == port
        assert re.search(rf"listen inference-{protocol} .*\n  bind :{port}.*\n .* inference:{port}", config)
    assert [port for port in base["gateway"]["ports"] if port.endswith(":50051-50057")]
    assert base["recorder"]["environment"]["VOXLOOM_RECORDER_HTTP_PORT"] == 50057
    assert re.search(r"listen studio .*\n  bind :50057 .*\n(.*\n)? .* recorder:50057", config)
    overlay = read(ROOT / "deploy/compose.wyoming.yaml")["services"]
    assert overlay["gateway"]["ports"] == ["127.0.0.1:10300:50058"]


def test_the_health_check_knows_the_same_ports() -> None:
    text = (ROOT / "deploy/healthcheck.py").read_text()
    for index, name in enumerate(SERVICES):
        assert f'"{name}": {50051 + index}' in text
