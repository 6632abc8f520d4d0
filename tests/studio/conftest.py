"""The studio as people use it: the real recorder process, and Debian's Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browsers, chromium, spoken
from protocol_process import address_of
from service_process import ServiceProcess


@pytest.fixture(scope="package")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's microphone plays over and over."""
    return spoken(tmp_path_factory.mktemp("microphone") / "spoken.wav")


@pytest.fixture(scope="package")
def browsers(microphone: Path) -> Iterator[Browsers]:
    with chromium(microphone, None) as opened:
        yield Browsers(*opened)


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="package")
def recorder(store: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess("recorder", store, recorder_http_port="0") as process:
        yield process


@pytest.fixture(scope="package")
def base(recorder: ServiceProcess) -> str:
    """localhost: there browsers give pages a microphone."""
    return f"http://{address_of(recorder, 'studio')}"
