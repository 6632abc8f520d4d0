"""The studio as people use it: the real recorder process, and Debian's Chromium."""

from collections.abc import Iterator

import pytest
from chromium import Browsers, chromium, spoken
from protocol_process import address_of
from service_process import ServiceProcess


@pytest.fixture(scope="package")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browsers]:
    with chromium(spoken(tmp_path_factory.mktemp("microphone") / "spoken.wav"), None) as opened:
        yield Browsers(*opened)


@pytest.fixture(scope="package")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with ServiceProcess("recorder", tmp_path_factory.mktemp("store"), recorder_http_port="0") as process:
        yield process


@pytest.fixture(scope="package")
def base(recorder: ServiceProcess) -> str:
    return f"http://{address_of(recorder, 'studio')}"
