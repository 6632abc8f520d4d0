"""`python -m services --data DIR`: embedded mode, what `voxloom up` runs."""

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path

from voxloom.datadir import DEFAULT_DATA, DEFAULT_PORT_BASE, DataDir
from voxloom.errors import BadInput, VoxloomError


def main() -> int:
    """The process. Exit code 0 after a signal, 1 failed, 2 badly configured."""
    arguments = _parse()
    if arguments.until_gone:
        threading.Thread(target=_end_with, args=(arguments.until_gone,), daemon=True).start()
    try:
        from services import embedded

        embedded.run(DataDir(arguments.data), arguments.port_base)
    except BadInput as error:
        print(f"voxloom: {error}", file=sys.stderr)
        return 2
    except VoxloomError as error:
        print(f"voxloom: {error}", file=sys.stderr)
        return 1
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m services", description="All five services in one process."
    )
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="where everything is kept")
    parser.add_argument(
        "--port-base",
        type=int,
        default=DEFAULT_PORT_BASE,
        help="first of eight ports in a row; 0 takes free ones",
    )
    parser.add_argument(
        "--until-gone", type=int, default=0, metavar="PID", help="end when this parent process has ended"
    )
    arguments = parser.parse_args()
    if arguments.port_base != 0 and not 1 <= arguments.port_base <= 65528:
        parser.error(f"--port-base {arguments.port_base}: expected 0, or 1 to 65528")
    return arguments


def _end_with(parent: int) -> None:
    """A parent that was killed cannot tell us; asking once a second works on every Unix."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
