import json
import logging
import sys
import threading
from collections.abc import Iterator
from datetime import datetime

import pytest

from voxloom import logs

log = logging.getLogger("voxloom.test_logs")


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_lines_carry_the_bound_ids(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("spoon", "json")
    with logs.bind(job="j-1", event=""):
        with logs.bind(request="r-1"):
            log.info("ünï %d", 3, extra={"port": 7})
        log.debug("not shown")
    line = json.loads(capsys.readouterr().err)
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {
        "level": "info",
        "service": "spoon",
        "logger": "voxloom.test_logs",
        "message": "ünï 3",
        "job": "j-1",
        "request": "r-1",
        "port": 7,
    }


def test_ids_end_with_their_block_and_a_new_thread_has_none() -> None:
    seen: list[dict[str, str]] = []
    with logs.bind(run="r"):
        thread = threading.Thread(target=lambda: seen.append(logs.bound()))
        thread.start()
        thread.join()
        assert logs.bound() == {"run": "r"}
    assert logs.bound() == {}
    assert seen == [{}]


@pytest.mark.parametrize("fmt", ["text", "json"])
def test_what_came_from_outside_cannot_forge_a_line(fmt: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("spoon", fmt)  # type: ignore[arg-type]
    log.warning("name %s", "x\n12:00:00.000 ERROR   spoon     all is lost\r\x1b[2J\x85")
    (line,) = capsys.readouterr().err.splitlines()
    assert "\x1b" not in line


@pytest.mark.parametrize("fmt", ["text", "json"])
def test_a_traceback_is_kept(fmt: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("spoon", fmt)  # type: ignore[arg-type]
    try:
        raise KeyError("where is it")
    except KeyError:
        log.exception("failed")
    shown = capsys.readouterr().err
    assert "where is it" in shown
    assert "Traceback" in shown
    assert fmt == "text" or len(shown.splitlines()) == 1


def test_embedded_services_are_told_apart_and_setup_replaces_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.setup("spoon", "json")
    logs.setup("fork", "text", "debug")
    with logs.bind(service="knife"):
        log.debug("here")
    (line,) = capsys.readouterr().err.splitlines()
    assert "DEBUG" in line
    assert "knife" in line
    assert "fork" not in line


def test_a_stderr_that_was_redirected_later_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    logs.setup("spoon", "text")

    class Sink:
        text = ""

        def write(self, text: str) -> None:
            self.text += text

        def flush(self) -> None: ...

    sink = Sink()
    monkeypatch.setattr(sys, "stderr", sink)
    log.info("here")
    assert "here" in sink.text
