"""A folder on disk for the time of one run; what a killed run left behind is swept away by the next one."""

import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "voxloom-train-"
_log = logging.getLogger(__name__)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A new folder below TMPDIR, held by a lock that the kernel drops when this process dies."""
    parent = Path(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sweep(parent)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep(parent: Path) -> None:
    """Removes the folders that no living process holds."""
    for left in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's, or gone meanwhile
            file = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left)
                _log.info("removed %s, left behind by a run that was killed", left)
            finally:
                os.close(file)
