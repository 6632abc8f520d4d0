import os
from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from voxloom.config import Config, Port, load
from voxloom.errors import BadInput

KEY = "0123456789abcdef"


class Settings(Config):
    spoon_port: Port = 50099
    spoon_size: float = Field(default=1.5, gt=0, le=9)
    spoon_name: str = Field(default="tea", max_length=5)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("VOXLOOM_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_defaults_need_nothing_but_a_folder(tmp_path: Path) -> None:
    config = load(Settings)
    assert config.store == (tmp_path / "voxloom-data").as_uri()
    assert (config.bus, config.grpc_host, config.spoon_port) == ("memory://", "127.0.0.1", 50099)


def test_overrides_win_over_the_environment_and_empty_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXLOOM_SPOON_PORT", "7")
    monkeypatch.setenv("VOXLOOM_SPOON_SIZE", "")
    assert load(Settings).spoon_port == 7
    assert load(Settings, spoon_port=8).spoon_port == 8
    assert load(Settings).spoon_size == 1.5


def test_all_faults_come_together_with_value_range_and_default(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = {
        "VOXLOOM_SPOON_PORT": "fifty",
        "VOXLOOM_SPOON_SIZE": "10",
        "VOXLOOM_SPOON_NAME": "ladles",
        "VOXLOOM_LOG_FORMAT": "xml",
        "VOXLOOM_STORE": "ftp://there",
    }
    for name, value in faults.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadInput) as error:
        load(Settings)
    message = str(error.value)
    for name, value in faults.items():
        assert f"{name} = {value!r}" in message
    assert "allowed: > 0, <= 9; default '1.5'" in message
    assert "allowed: >= 0, <= 65535; default '50099'" in message
    assert "allowed: text, json" in message
    assert "expected file:///absolute/folder or s3://bucket" in message


@pytest.mark.parametrize(
    "url", ["file://relative", "s3:///nobucket", "s3://key:secret@bucket", "/plain/path"]
)
def test_a_store_url_that_cannot_work_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="VOXLOOM_STORE"):
        load(Config, store=url)


def test_secrets_are_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXLOOM_S3_SECRET_KEY", "hush-hush")
    monkeypatch.setenv("VOXLOOM_BUS", "http://anna:pass-word@host/")
    with pytest.raises(BadInput) as error:
        load(Config)
    config = load(Config, bus="amqp://anna:pass-word@host/")
    for text in (str(error.value), repr(config), str(config)):
        assert "hush" not in text
        assert "pass-word" not in text
    with pytest.raises(BadInput) as refused:
        load(Config, s3_secret_key=["hush-hush"], store="s3://anna:pass-word@bucket")
    assert "hush" not in str(refused.value)
    assert "pass-word" not in str(refused.value)


def test_a_secret_can_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hush\n")
    (tmp_path / "bus").write_text("amqp://a:b@host/\n")
    monkeypatch.setenv("VOXLOOM_S3_SECRET_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("VOXLOOM_BUS_FILE", str(tmp_path / "bus"))
    config = load(Config)
    assert config.s3_secret_key == SecretStr("hush")
    assert config.bus == "amqp://a:b@host/"


def test_a_secret_file_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    monkeypatch.setenv("VOXLOOM_S3_SECRET_KEY_FILE", str(tmp_path / "empty"))
    monkeypatch.setenv("VOXLOOM_S3_ACCESS_KEY_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("VOXLOOM_BUS", "memory://")
    monkeypatch.setenv("VOXLOOM_BUS_FILE", "/dev/zero")
    with pytest.raises(BadInput) as error:
        load(Config)
    assert "S3_SECRET_KEY_FILE" in str(error.value)
    assert "S3_ACCESS_KEY_FILE" in str(error.value)
    assert "VOXLOOM_BUS and VOXLOOM_BUS_FILE are both set" in str(error.value)


@pytest.mark.parametrize(("given", "used"), [("::1", "[::1]"), ("[::]", "[::]"), ("0.0.0.0", "0.0.0.0")])
def test_a_host_can_stand_before_a_port(given: str, used: str) -> None:
    assert load(Config, grpc_host=given, api_key=KEY).grpc_host == used


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.1.9", "localhost", "::1"])
def test_on_loopback_no_key_is_needed(host: str) -> None:
    assert load(Config, grpc_host=host).api_keys == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_other_machines_are_let_in_with_a_key_only(host: str) -> None:
    with pytest.raises(BadInput, match="VOXLOOM_API_KEY is not set; set it to a long random text"):
        load(Config, grpc_host=host)
    assert load(Config, grpc_host=host, api_key=f"{KEY}\n{KEY}2").api_keys == [KEY, KEY + "2"]


def test_a_short_key_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXLOOM_API_KEY", "sesame")
    with pytest.raises(BadInput, match=r"VOXLOOM_API_KEY = \(secret\): a key has fewer than 16") as error:
        load(Config)
    assert "sesame" not in str(error.value)


def test_an_unknown_field_is_a_fault() -> None:
    with pytest.raises(BadInput, match="fork_port"):
        load(Settings, fork_port=1)


def test_it_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(Settings).spoon_port = 1  # type: ignore[misc]
