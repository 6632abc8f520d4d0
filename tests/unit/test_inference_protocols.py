"""Which protocols are on, what a caller may ask for by name, and how a transcript is written down."""

import asyncio
import json
import logging
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from integration import bundle_maker

from services.inference import protocols
from services.inference.asked import check_language, model_named
from services.inference.config import InferenceConfig
from services.inference.models import Models
from services.inference.pool import Pool
from services.inference.recognize import Recognition
from services.inference.transcript import FORMATS, render
from voxloom.bus import MemoryBus
from voxloom.config import load
from voxloom.decode import Hypothesis, Word
from voxloom.errors import BadInput, NotFound, Unavailable
from voxloom.storage import FolderStore

WORDS = [Word("a", 0.1, 0.5, 1.0), Word("<b>", 0.6, 0.9, 0.5), Word("c", 5.0, 5.4, 0.0)]
FOUND = Recognition(Hypothesis("a <b> c", WORDS, 0.5), 6.001, 0.1)


@dataclass
class Engine:
    models: Models
    pool: Pool


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    store = FolderStore(tmp_path / "store")
    bundle_maker.write_model_bundle(store, "m-a", bundle_maker.graph(), languages=["en", "pt-BR"])
    bundle_maker.point_to(store, "m-a")
    bus = MemoryBus()
    models, pool = Models(store, bus), Pool(1, 1, 1)
    models.reconcile()
    yield Engine(models, pool)
    pool.close()
    bus.close()


@pytest.mark.parametrize("name", ["", "production", "whisper-1", "m-a"])
def test_names_of_the_model_that_is_served(engine: Engine, name: str) -> None:
    assert model_named(engine.models, name).id == "m-a"


def test_another_model_is_not_found_and_none_is_unavailable(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="m-a is"):
        model_named(engine.models, "m-b")
    with pytest.raises(Unavailable):
        model_named(Models(FolderStore(tmp_path / "empty"), MemoryBus()), "m-a")


@pytest.mark.parametrize("tag", ["", "en", "EN", "en-US", "en_GB", "pt", "pt-PT"])
def test_a_region_makes_no_other_language(engine: Engine, tag: str) -> None:
    check_language(engine.models.current(), tag)


@pytest.mark.parametrize("tag", ["de", "e", "english", "-", "x" * 1000])
def test_another_language_is_refused(engine: Engine, tag: str) -> None:
    with pytest.raises(BadInput, match="en, pt-BR") as caught:
        check_language(engine.models.current(), tag)
    assert len(str(caught.value)) < 250


def test_without_nvidias_package_its_protocol_is_off_and_the_log_says_so(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delitem(sys.modules, "services.inference.riva", raising=False)
    monkeypatch.setitem(sys.modules, "riva.client.proto", None)
    with caplog.at_level(logging.INFO):
        assert protocols.riva(engine.models, engine.pool, load(InferenceConfig)) == []
    assert "pip install nvidia-riva-client" in caplog.text


def test_with_the_package_it_is_on(engine: Engine) -> None:
    assert len(protocols.riva(engine.models, engine.pool, load(InferenceConfig))) == 1


def test_a_port_opens_a_protocol_and_off_opens_none(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert protocols.listeners(engine.models, engine.pool, load(InferenceConfig)) == []
    monkeypatch.setenv("VOXLOOM_INFERENCE_HTTP_PORT", "0")
    monkeypatch.setenv("VOXLOOM_INFERENCE_WYOMING_PORT", "off")
    (found,) = protocols.listeners(engine.models, engine.pool, load(InferenceConfig))
    assert found.name == "openai"
    monkeypatch.setenv("VOXLOOM_INFERENCE_WYOMING_PORT", "50058")
    _, found = protocols.listeners(engine.models, engine.pool, load(InferenceConfig))
    assert (found.name, found.address) == ("wyoming", "127.0.0.1:50058")


@pytest.mark.parametrize("protocol", ["HTTP", "WYOMING"])
def test_a_taken_port_is_named_with_the_way_out(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv(f"VOXLOOM_INFERENCE_{protocol}_PORT", str(port))
        (found,) = protocols.listeners(engine.models, engine.pool, load(InferenceConfig))
        with pytest.raises(Unavailable, match=rf"127.0.0.1:{port}.*VOXLOOM_INFERENCE_{protocol}_PORT"):
            asyncio.run(found.start())


@pytest.mark.parametrize("port", ["-1", "65536", "on"])
def test_what_is_no_port_is_refused(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("VOXLOOM_INFERENCE_HTTP_PORT", port)
    with pytest.raises(BadInput, match="VOXLOOM_INFERENCE_HTTP_PORT"):
        load(InferenceConfig)


def test_wyoming_stays_on_loopback_when_grpc_is_opened(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows no keys, so the address that keys protect is not its."""
    monkeypatch.setenv("VOXLOOM_GRPC_HOST", "0.0.0.0")
    monkeypatch.setenv("VOXLOOM_API_KEY", "a-key-of-enough-length")
    monkeypatch.setenv("VOXLOOM_INFERENCE_WYOMING_PORT", "50058")
    (found,) = protocols.listeners(engine.models, engine.pool, load(InferenceConfig))
    assert found.address == "127.0.0.1:50058"


def test_a_transcript_in_words_and_segments() -> None:
    body, content_type = render(FOUND, "verbose_json", ["word", "segment"], "en")
    found = json.loads(body)
    assert content_type == "application/json"
    assert [word["word"] for word in found["words"]] == ["a", "<b>", "c"]
    assert [segment["text"] for segment in found["segments"]] == ["a <b>", "c"]
    assert [segment["id"] for segment in found["segments"]] == [0, 1]
    assert (found["segments"][0]["start"], found["segments"][0]["end"]) == (0.1, 0.9)
    assert found["segments"][0]["avg_logprob"] == pytest.approx(-0.3466, abs=1e-4)
    assert found["segments"][1]["avg_logprob"] < -10  # no confidence has no logarithm
    assert found["usage"] == {"type": "duration", "seconds": 7}


@pytest.mark.parametrize("fmt", FORMATS)
def test_silence_has_every_format(fmt: str) -> None:
    body, _ = render(Recognition(Hypothesis("", [], 0.0), 1.0, 0.1), fmt, [], "en")
    assert isinstance(body, str)
