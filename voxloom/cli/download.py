"""Downloads from the Mozilla Data Collective by its own library; what comes is checked here, byte by byte."""

import hashlib
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxloom.cli.output import Meter, say, size
from voxloom.errors import BadInput, Exhausted, NotFound, NotReady, Unauthenticated, Unavailable, VoxloomError

SITE = "https://mozilladatacollective.com"
_KEY = "MDC_API_KEY"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ATTEMPTS = 5  # that bring nothing new
_PAUSE_S = 2.0  # after such a one, then twice as long, and so on
_POLL_S = 0.5


@dataclass(frozen=True)
class Expected:
    """What the Data Collective says of an archive."""

    path: Path
    num_bytes: int  # 0 if it does not say
    sha256: str  # "" if it does not say

    def find_fault(self) -> str:
        """What is wrong with the file that is there, or ""."""
        found = self.path.stat().st_size
        if self.num_bytes and found != self.num_bytes:
            return f"it has {found} bytes instead of {self.num_bytes}"
        if self.sha256 and _sha256(self.path) != self.sha256:
            return "its SHA-256 check sum is another"
        return ""


def fetch(dataset: str, folder: Path) -> Path:
    """The archive of a dataset, whole and checked; goes on where an earlier download broke off."""
    library = _library()
    if not _ID.fullmatch(dataset):
        raise BadInput(f"{dataset[:200]!r} is no id of a dataset; it is the last part of its page's address")
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise BadInput(f"{folder} cannot be written to; give another --download-dir")
    with _explained(dataset):
        expected = _expected(library.get_dataset_details(dataset), folder)
    if expected.path.exists() and not expected.find_fault():
        say(f"{expected.path} is there already, and whole")
        return expected.path
    _fetch(library, dataset, expected)
    return expected.path


def _library() -> Any:
    """Imported only when it is needed. It would also take all of a file .env into the environment."""
    before = set(os.environ)
    try:
        import datacollective
    except ModuleNotFoundError as error:
        raise NotReady(
            f"--dataset needs the package datacollective ({error}), which exists for Python 3.11.4 and up: "
            f"install it, or download the archive from {SITE} and give its path"
        ) from error
    for name in set(os.environ) - before:
        if not name.startswith("MDC_"):
            del os.environ[name]
    return datacollective


def _expected(details: Any, folder: Path) -> Expected:
    name = details.filename or ""
    if not _ID.fullmatch(name):
        raise BadInput(f"the dataset has no archive that can be stored: its file is called {name[:200]!r}")
    checksum = str(details.checksum or "").lower().removeprefix("sha256:")
    known = bool(_SHA256.fullmatch(checksum))
    if not known:
        say("the Data Collective gives no SHA-256 of this archive: only its length can be checked", "yellow")
    return Expected(folder / name, int(details.sizeBytes or 0), checksum if known else "")


def _fetch(library: Any, dataset: str, expected: Expected) -> None:
    """Twice at most: parts of an earlier download may be what is wrong with the whole."""
    part = expected.path.with_name(expected.path.name + ".part")
    resumed = part.exists() or expected.path.exists()
    expected.path.unlink(missing_ok=True)
    if part.exists() and 0 < expected.num_bytes <= part.stat().st_size:
        part.replace(expected.path)  # whole already: nothing would come, and that would look like a fault
        part.with_name(f"{expected.path.name}.checksum").unlink(missing_ok=True)
        if not expected.find_fault():
            return
        expected.path.unlink()
    for last in (not resumed, True):
        with _shown(part, expected.num_bytes):
            _download(library, dataset, expected.path, part)
        fault = expected.find_fault()
        if not fault:
            say(f"{expected.path}: {size(expected.path.stat().st_size)}, complete", "green")
            return
        expected.path.unlink()
        if last:
            raise BadInput(
                f"what was downloaded as {expected.path.name} is damaged: {fault}; try again later"
            )
        say(f"{expected.path.name}: {fault}; it is downloaded anew", "yellow")


def _download(library: Any, dataset: str, path: Path, part: Path) -> None:
    """Goes on for as long as every few attempts bring something."""
    from datacollective.errors import DownloadError

    failures, had = 0, -1
    while True:
        try:
            with _explained(dataset):
                library.download_dataset(dataset, str(path.parent), show_progress=False)
                return
        except DownloadError as error:
            if isinstance(error.__cause__, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            have = part.stat().st_size if part.exists() else 0
            failures, had = (failures + 1 if have <= had else 1), max(had, have)
            if failures >= _ATTEMPTS:
                raise Unavailable(
                    f"the download of {path.name} broke off at {size(have)} ({error.__cause__}); the same "
                    "command goes on there"
                ) from error
            if failures > 1:
                time.sleep(_PAUSE_S * (failures - 1))


@contextmanager
def _explained(dataset: str) -> Iterator[None]:
    """What the library raises, as what to do about it."""
    import requests
    from datacollective.errors import AuthenticationError, RateLimitError, ResourceRemovedError

    page = f"{SITE}/datasets/{dataset}"
    try:
        yield
    except AuthenticationError as error:
        raise _no_key("does not accept the key in") from error
    except ResourceRemovedError as error:
        raise NotFound(
            f"dataset {dataset} was withdrawn; look on {SITE}/datasets for a newer release"
        ) from error
    except FileNotFoundError as error:
        raise NotFound(
            f"there is no dataset {dataset}; the id is the last part of its page's address"
        ) from error
    except PermissionError as error:
        raise NotReady(
            f"the Data Collective does not give out {dataset} ({_first_line(error)}): open {page}, sign in "
            "as the owner of the key, accept the terms of use there, and try again"
        ) from error
    except RateLimitError as error:
        raise Exhausted(
            f"the Data Collective allows no more downloads for now; try again in an hour, or download {page} "
            "in a browser and give the path of the file"
        ) from error
    except requests.RequestException as error:
        raise Unavailable(
            f"the Data Collective cannot be reached ({_first_line(error)}); try again"
        ) from error
    except ValueError as error:
        raise (_no_key("needs a key in") if _KEY in str(error) else BadInput(_first_line(error))) from error
    except RuntimeError as error:
        raise BadInput(f"the Data Collective answers what is not understood: {_first_line(error)}") from error


def _no_key(says: str) -> VoxloomError:
    return Unauthenticated(
        f"the Data Collective {says} {_KEY}; make one on {SITE} (sign in, then your profile, API keys) and: "
        f"export {_KEY}=..."
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


@contextmanager
def _shown(part: Path, total: int) -> Iterator[None]:
    """Progress by the length of the file that grows: the library's own bar is for terminals only."""
    done = threading.Event()

    def watch(meter: Meter) -> None:
        while not done.wait(_POLL_S):
            have = part.stat().st_size if part.exists() else 0
            meter.update(have, total, f"{size(have)} of {size(total)}")

    with Meter("downloading") as meter:
        thread = threading.Thread(target=watch, args=(meter,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
