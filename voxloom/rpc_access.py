"""Who may call: a key in the metadata of each gRPC call, on both sides. Health checks need none."""

import hmac
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import grpc

from voxloom.errors import Unauthenticated

_METADATA = "authorization"
_SCHEME = "bearer"  # RFC 6750; the scheme is compared without regard to case
_OPEN = "/grpc.health."


class Access:
    """The server's side: which calls may pass. Without keys all do."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [key.encode() for key in keys]

    def check(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Raises Unauthenticated unless the call of the method (`/package.Service/Name`) brings a key."""
        if not self._keys or method.startswith(_OPEN):
            return
        given = [value for name, value in metadata if name == _METADATA]
        if not given:
            raise Unauthenticated(
                "this service wants an API key and the call brought none; send it as metadata "
                "'authorization: Bearer KEY', or set VOXLOOM_API_KEY for the command line"
            )
        if not any(self._opens(value) for value in given):
            raise Unauthenticated(
                "the API key of this call is not one of this service's; look for spaces or a key of another "
                "installation in VOXLOOM_API_KEY"
            )

    def _opens(self, value: str | bytes) -> bool:
        text = value if isinstance(value, bytes) else value.encode()
        scheme, _, key = text.partition(b" ")
        fits = [hmac.compare_digest(key.strip(), known) for known in self._keys]  # all: equal time
        return scheme.lower() == _SCHEME.encode() and any(fits)


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Sequence[tuple[str, str | bytes]]
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class Bearer(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc]
    grpc.UnaryStreamClientInterceptor,  # type: ignore[misc]
    grpc.StreamUnaryClientInterceptor,  # type: ignore[misc]
    grpc.StreamStreamClientInterceptor,  # type: ignore[misc]
):
    """The client's side: adds the key to every call."""

    def __init__(self, key: str) -> None:
        self._entry = (_METADATA, f"Bearer {key}")

    def _call(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        metadata = [*(details.metadata or ()), self._entry]
        fields = (details.method, details.timeout, metadata, details.credentials, details.wait_for_ready)
        return continuation(_Details(*fields, details.compression), request)

    intercept_unary_unary = intercept_unary_stream = _call
    intercept_stream_unary = intercept_stream_stream = _call
