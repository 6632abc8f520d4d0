"""The thread that makes state decide: it calls `reconcile` at start, when woken, and every minute."""

import contextvars
import logging
import threading
from collections.abc import Callable

from voxloom.errors import Unavailable, VoxloomError

_log = logging.getLogger(__name__)
_SETTLE_S = 0.1  # of many wakes within this time one run is made
_MAX_BACKOFF_S = 60.0


class Reconciler:
    """Runs `reconcile`, then `after`; never twice at once, and whatever either raises does not end it.

    A wake during a run makes one more run. After a failure it waits 1, 2, 4 ... seconds, woken or not, so
    that events do not hammer a store that is down.
    """

    def __init__(
        self,
        reconcile: Callable[[], None],
        after: Callable[[], None],
        *,
        period_s: float = 60.0,
        name: str = "reconcile",
    ) -> None:
        self._name = name  # in the log
        self._reconcile = reconcile
        self._after = after
        self._period_s = period_s
        self._woken = threading.Event()
        self._stopping = threading.Event()
        run_here = contextvars.copy_context().run  # keeps the log ids of whoever made us
        self._thread = threading.Thread(target=run_here, args=(self._run,), name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._woken.set()

    def stop(self, timeout_s: float) -> None:
        """Ends after the present run; a run that outlives the timeout is left behind, and the log says so."""
        self._stopping.set()
        self._woken.set()
        if self._thread.ident is None:
            return
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            _log.warning("%s still runs after %g s; leaving it", self._name, timeout_s)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._woken.clear()
            done = self._try(self._reconcile)
            if self._try(self._after) and done:
                failures = 0
                self._woken.wait(self._period_s)
                self._stopping.wait(_SETTLE_S)
            else:
                failures += 1
                self._stopping.wait(min(2 ** min(failures - 1, 10), self._period_s, _MAX_BACKOFF_S))

    def _try(self, step: Callable[[], None]) -> bool:
        try:
            step()
        except Unavailable as error:
            _log.warning("%s has to wait: %s", self._name, error)
        except VoxloomError as error:
            _log.error("%s failed: %s", self._name, error)
        except Exception:  # noqa: BLE001 - the edge: logged whole, and tried again
            _log.exception("%s failed", self._name)
        else:
            return True
        return False
