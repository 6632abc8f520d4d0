"""Configuration from VOXLOOM_* environment variables: frozen, checked once, all faults reported together."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from voxloom.errors import BadInput

PREFIX = "VOXLOOM_"
MAX_SECRET_FILE_BYTES = 64 * 1024
MIN_API_KEY_LENGTH = 16

AnyConfig = TypeVar("AnyConfig", bound="Config")
Port = Annotated[int, Field(ge=0, le=65535)]  # 0 lets the system choose a free one
# One that need not be open: "off" opens none.
OptionalPort = Annotated[Port | None, BeforeValidator(lambda value: None if value == "off" else value)]


def _store_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ValueError("keys do not belong in the URL; set VOXLOOM_S3_ACCESS_KEY and VOXLOOM_S3_SECRET_KEY")
    if not (parts.scheme == "file" and parts.path.startswith("/") and not parts.netloc) and not (
        parts.scheme == "s3" and parts.netloc
    ):
        raise ValueError("expected file:///absolute/folder or s3://bucket?endpoint=http://host:port")
    return url


def _bus_url(url: str) -> str:
    if urlsplit(url).scheme not in ("memory", "amqp", "amqps"):
        raise ValueError("expected memory:// or amqp://user:password@host:port/vhost")
    return url


def _long_enough(keys: SecretStr) -> SecretStr:
    if short := [key for key in keys.get_secret_value().split() if len(key) < MIN_API_KEY_LENGTH]:
        raise ValueError(
            f"a key has fewer than {MIN_API_KEY_LENGTH} characters ({len(short)} of them); "
            "make one with: openssl rand -hex 32"
        )
    return keys


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "[::1]") or host.startswith("127.")


def _bracketed(host: str) -> str:
    """An IPv6 address is written in brackets before a port; given without, it gets them."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _default_store() -> str:
    return (Path.cwd() / "voxloom-data").as_uri()


class Config(BaseSettings):
    """What every process needs; a service adds its own fields in services/<service>/config.py.

    Each field is the variable VOXLOOM_<FIELD>; an empty one counts as unset. A secret (and the bus URL, which
    holds a password) can be given as VOXLOOM_<FIELD>_FILE instead: the path of a file with the value in it.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    store: Annotated[str, AfterValidator(_store_url)] = Field(default_factory=_default_store)
    s3_access_key: SecretStr = SecretStr("")
    s3_secret_key: SecretStr = SecretStr("")
    bus: Annotated[str, AfterValidator(_bus_url)] = Field(default="memory://", repr=False)
    grpc_host: Annotated[str, AfterValidator(_bracketed)] = Field(
        default="127.0.0.1", pattern=r"^[A-Za-z0-9.:_\[\]-]+$", max_length=255
    )
    # One key or, so that they can be changed without a gap, several with white space between them. A call
    # must bring one; without any every call is served, which is allowed on loopback only.
    api_key: Annotated[SecretStr, AfterValidator(_long_enough)] = SecretStr("")
    metrics_port: Port = 0  # of HTTP /metrics for Prometheus, on grpc_host; here 0 means none
    log_format: Literal["text", "json"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    reconcile_period_s: float = Field(default=60.0, ge=0.1, le=3600)
    job_lease_s: float = Field(default=15.0, ge=1, le=600)  # after so long a dead worker's job is taken over
    drain_s: float = Field(default=10.0, ge=0, le=600)  # time that running calls get on SIGTERM

    @property
    def api_keys(self) -> list[str]:
        return self.api_key.get_secret_value().split()

    @model_validator(mode="after")
    def _no_open_door(self) -> Self:
        if not self.api_keys and not _is_loopback(self.grpc_host):
            raise ValueError(
                f"{PREFIX}GRPC_HOST = {self.grpc_host!r} lets other machines in, and {PREFIX}API_KEY is not "
                "set; set it to a long random text (openssl rand -hex 32), or listen on 127.0.0.1"
            )
        return self


def load(cls: type[AnyConfig], **overrides: Any) -> AnyConfig:
    """The configuration of this process, or BadInput with each fault: name, value, allowed range, default."""
    from_files, faults = _read_secret_files(cls, overrides)
    try:
        config = cls(**(from_files | overrides))
    except ValidationError as error:
        faults += [_fault(cls, each) for each in error.errors()]
    except SettingsError as error:
        faults.append(str(error))
    if faults:
        raise BadInput("the configuration cannot be used:\n" + "\n".join(f"  {fault}" for fault in faults))
    return config


def _read_secret_files(cls: type[Config], overrides: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
    values: dict[str, str] = {}
    faults: list[str] = []
    for name, field in cls.model_fields.items():
        variable = PREFIX + name.upper()
        path = os.environ.get(variable + "_FILE", "")
        if not path or not _is_secret(name, field) or name in overrides:
            continue
        if os.environ.get(variable):
            faults.append(f"{variable} and {variable}_FILE are both set; unset one of them")
            continue
        try:
            values[name] = _read_secret_file(path)
        except (OSError, ValueError) as error:
            faults.append(f"{variable}_FILE = {path!r} cannot be read: {error}; give the path of a text file")
    return values, faults


def _read_secret_file(path: str) -> str:
    with open(path, "rb") as file:
        content = file.read(MAX_SECRET_FILE_BYTES + 1)
    if len(content) > MAX_SECRET_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_SECRET_FILE_BYTES} bytes")
    secret = content.decode().strip()
    if not secret:
        raise ValueError("it is empty")
    return secret


def _fault(cls: type[Config], error: ErrorDetails) -> str:
    if not error["loc"]:  # a fault of several fields together
        return error["msg"].removeprefix("Value error, ")
    name = str(error["loc"][0])
    field = cls.model_fields.get(name)
    if field is None:
        return f"{name}: {error['msg']}; fields are {', '.join(sorted(cls.model_fields))}"
    shown = _shown(name, field, error["input"])
    reason = error["msg"].removeprefix("Value error, ")
    allowed = _allowed(field)
    return f"{PREFIX}{name.upper()} = {shown}: {reason} ({allowed}default {_default(name, field)})"


def _shown(name: str, field: FieldInfo, value: object) -> str:
    if field.annotation is SecretStr:
        return "(secret)"
    without_password = re.sub(r"//[^/]*@", "//***@", str(value))
    return repr(without_password[:120])


def _default(name: str, field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "none, it must be set"
    return "none" if value is None or isinstance(value, SecretStr) else _shown(name, field, value)


def _allowed(field: FieldInfo) -> str:
    """The bounds in words: pydantic's own message names only the one that was broken."""
    if get_origin(field.annotation) is Literal:
        return "allowed: " + ", ".join(str(each) for each in get_args(field.annotation)) + "; "
    words = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "max_length": "length <="}
    bounds = [
        f"{words[key]} {getattr(constraint, key)}"
        for constraint in field.metadata
        for key in words
        if getattr(constraint, key, None) is not None
    ]
    return f"allowed: {', '.join(bounds)}; " if bounds else ""


def _is_secret(name: str, field: FieldInfo) -> bool:
    return field.annotation is SecretStr or name == "bus"
