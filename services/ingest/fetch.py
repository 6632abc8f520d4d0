"""A release that the service finds by itself, on S3 or in its folder of imports, becomes an upload."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import urlsplit, urlunsplit

from services.ingest.config import IngestConfig
from services.ingest.corpus import ImportSpec
from voxloom.corpora.archive import ArchiveLimits
from voxloom.corpora.commonvoice import read_release, release_limits
from voxloom.corpora.members import Members, from_folder, from_stream
from voxloom.corpora.thin import thin
from voxloom.errors import BadInput, NotFound
from voxloom.storage import ObjectStore, exists, open_store

Stream = AbstractContextManager[BinaryIO]
Open = Callable[[], AbstractContextManager[Members]]


class Fetcher:
    """`s3://bucket/key` on the service's own S3 server, or `mounted:path` below VOXLOOM_IMPORT_DIR."""

    def __init__(self, config: IngestConfig, store: ObjectStore, limits: ArchiveLimits) -> None:
        self._config = config
        self._store = store
        self._limits = limits

    def fetch(self, spec: ImportSpec, progress: Callable[[str], None]) -> None:
        """Writes `spec.upload`, whole or not at all: the tables, and the clips that the selection wants."""
        if exists(self._store, spec.upload):
            return
        limits = release_limits(self._limits)
        find = self._opener(spec.origin, limits)
        progress(f"reading the tables of {spec.origin}")
        with find() as members:
            told = _told(members, progress)
            release = read_release(told, limits, name=spec.corpus, language=spec.language)
        with release, find() as members:
            chosen = release.select(spec.selection)
            self._store.put_stream(spec.upload, thin(_told(members, progress), chosen))

    def _opener(self, origin: str, limits: ArchiveLimits) -> Open:
        scheme, _, rest = origin.partition(":")
        if scheme == "mounted":
            path = self._mounted(rest)
            return lambda: from_folder(path, limits) if path.is_dir() else _from_file(path, limits)
        if scheme == "s3":
            store, key = self._on_s3(origin)
            return lambda: _from_store(store, key, limits)
        raise BadInput(f"origin {origin[:200]!r} is unknown; expected s3://bucket/key or mounted:path")

    def _mounted(self, name: str) -> Path:
        """A real path inside the folder of imports."""
        if not self._config.import_dir:
            raise BadInput("this service has no folder of imports; set VOXLOOM_IMPORT_DIR or send it")
        root = Path(self._config.import_dir).resolve()
        pure = PurePosixPath(name)
        path = (root / pure).resolve() if name.isprintable() else root / ".."
        if pure.is_absolute() or not path.is_relative_to(root) or path == root:
            raise BadInput(f"mounted:{name[:200]!r} leads out of the folder of imports; give a path below it")
        if not path.exists():
            raise NotFound(f"there is no {name} in the folder of imports; put it there, or check its name")
        return path

    def _on_s3(self, origin: str) -> tuple[ObjectStore, str]:
        own, asked = urlsplit(self._config.store), urlsplit(origin)
        if own.scheme != "s3":
            raise BadInput(f"{origin[:200]} cannot be read: the store here is a folder; give a path instead")
        url = urlunsplit(("s3", asked.netloc, "", own.query, ""))
        access = self._config.s3_access_key.get_secret_value()
        secret = self._config.s3_secret_key.get_secret_value()
        return open_store(url, access_key=access, secret_key=secret, make=False), asked.path.lstrip("/")


def _from_file(path: Path, limits: ArchiveLimits) -> AbstractContextManager[Members]:
    return _streamed(lambda: open(path, "rb"), limits)


def _from_store(store: ObjectStore, key: str, limits: ArchiveLimits) -> AbstractContextManager[Members]:
    return _streamed(lambda: store.open(key), limits)


@contextmanager
def _streamed(opened: Callable[[], Stream], limits: ArchiveLimits) -> Iterator[Members]:
    with opened() as stream, from_stream(stream, limits) as members:
        yield members


def _told(members: Members, progress: Callable[[str], None]) -> Members:
    """Says how far it is, and lets the job be stopped."""
    for number, member in enumerate(members):
        progress(f"{number} files of the archive passed" if number else "the archive is open")
        yield member
