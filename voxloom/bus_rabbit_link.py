"""What the threads of the RabbitMQ adapter share: how a connection ends, and when to try the next.

A connection of pika belongs to one thread, which must look after its heartbeat. So publishers hand their
events over to such a thread, and a handler runs beside the thread of its connection, however long it takes.
"""

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

from pika import exceptions
from pika.adapters.utils.connection_workflow import AMQPConnectorException

FAULTS = (exceptions.AMQPError, AMQPConnectorException, OSError)
TICK_S = 1.0  # how long a thread waits at most before it looks after its connection
CLOSE_TIMEOUT_S = 30.0
_MAX_PAUSE_S = 10.0

Connect = Callable[[], Any]


def describe(error: BaseException) -> str:
    return (str(error) or repr(error))[:300]


def pause_s(failures: int) -> float:
    """0.2 s doubling to 10 s, spread so that not all services come back in the same instant."""
    return min(0.2 * 2.0 ** min(failures, 10), _MAX_PAUSE_S) * random.uniform(0.5, 1.0)


def close(connection: Any) -> None:
    """Closes the connection, unless it has been lost already."""
    with contextlib.suppress(*FAULTS):
        connection.close()


@contextlib.contextmanager
def closed_after(connection: Any) -> Iterator[Any]:
    try:
        yield connection
    finally:
        close(connection)
