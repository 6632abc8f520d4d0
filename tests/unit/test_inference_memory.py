"""Memory of a model that nobody holds any more goes back to the system."""

import threading

import pytest

from services.inference import memory


class Engine:
    """Anything that can be let go of."""


@pytest.fixture
def trimmed(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    event, trim = threading.Event(), memory._trim

    def told() -> None:
        trim()  # the C library's own
        event.set()

    monkeypatch.setattr(memory, "_trim", told)
    monkeypatch.setattr(memory, "_AFTER_S", 0.01)
    return event


def test_once_the_last_holder_lets_go(trimmed: threading.Event) -> None:
    engine = Engine()
    holders = [engine, engine]
    memory.give_back_after(engine)
    del engine
    holders.pop()
    assert not trimmed.wait(0.2)
    holders.pop()
    assert trimmed.wait(20)
