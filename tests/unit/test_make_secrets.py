"""The secrets of an installation, as the container `secrets` makes them."""

import base64
import hashlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "make_secrets.py"
SECRETS = ("api_key", "s3_secret_key", "rabbitmq_password")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_secrets", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text().strip() for name in SECRETS}


def test_they_are_long_different_and_kept(script: ModuleType, tmp_path: Path) -> None:
    script.main(tmp_path)
    first = read(tmp_path)
    assert all(len(secret) == 64 for secret in first.values())
    assert len(set(first.values())) == len(SECRETS)
    script.main(tmp_path)
    assert read(tmp_path) == first


def test_one_that_is_deleted_or_empty_is_made_anew(script: ModuleType, tmp_path: Path) -> None:
    script.main(tmp_path)
    first = read(tmp_path)
    (tmp_path / "api_key").unlink()
    (tmp_path / "rabbitmq_password").chmod(0o600)
    (tmp_path / "rabbitmq_password").write_text("")
    script.main(tmp_path)
    second = read(tmp_path)
    assert {name for name in SECRETS if first[name] != second[name]} == {"api_key", "rabbitmq_password"}
    assert second["rabbitmq_password"] in (tmp_path / "bus_url").read_text()


def test_the_broker_is_given_a_hash_that_anybody_may_read_and_nothing_else(
    script: ModuleType, tmp_path: Path
) -> None:
    script.main(tmp_path)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert {name for name, mode in modes.items() if mode & 0o007} == {"rabbitmq.json"}
    [user] = json.loads((tmp_path / "rabbitmq.json").read_text())["users"]
    raw, password = base64.b64decode(user["password_hash"]), read(tmp_path)["rabbitmq_password"]
    assert raw[4:] == hashlib.sha256(raw[:4] + password.encode()).digest()
    assert password not in (tmp_path / "rabbitmq.json").read_text()
