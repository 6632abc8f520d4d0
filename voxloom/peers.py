"""Where a service finds the others: their addresses, and channels to them that are kept."""

import threading
from collections.abc import Mapping

import grpc

from voxloom import rpc
from voxloom.errors import NotReady


class Peers:
    """Addresses may come later than this object: embedded mode knows the ports once all listen."""

    def __init__(self, addresses: Mapping[str, str] | None = None, api_key: str = "") -> None:
        self._addresses = dict(addresses or {})
        self._api_key = api_key
        self._channels: dict[str, grpc.Channel] = {}
        self._lock = threading.Lock()

    def add(self, service: str, address: str) -> None:
        self._addresses[service] = address

    def address(self, service: str) -> str:
        """host:port; NotReady while it is not known."""
        if service not in self._addresses:
            raise NotReady(f"the {service} service is still starting; try again in a few seconds")
        return self._addresses[service]

    def channel(self, service: str) -> grpc.Channel:
        """For blocking calls, of any thread; connects on the first one."""
        with self._lock:
            if service not in self._channels:
                self._channels[service] = rpc.channel(self.address(service), api_key=self._api_key)
            return self._channels[service]

    @property
    def metadata(self) -> list[tuple[str, str]]:
        """What a call on a channel of one's own must bring."""
        return [("authorization", f"Bearer {self._api_key}")] if self._api_key else []

    def close(self) -> None:
        with self._lock:
            for channel in self._channels.values():
                channel.close()
            self._channels.clear()


def reachable(host: str) -> str:
    """Where a service that listens on `host` is found from the same machine."""
    return {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
