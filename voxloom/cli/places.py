"""Where a store or its backup is, from the command line and the environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr

from voxloom.config import Config, load
from voxloom.datadir import DEFAULT_DATA, DataDir
from voxloom.errors import BadInput, NotReady
from voxloom.storage import ObjectStore, open_store
from voxloom.store_backup import folder_of

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Data folder of `voxloom up`; without it the store is what VOXLOOM_STORE names, else the folder "
        f"VOXLOOM_DATA, else ./{DEFAULT_DATA}.",
    ),
]


class _StoreConfig(Config):
    backup_s3_access_key: SecretStr = SecretStr("")
    backup_s3_secret_key: SecretStr = SecretStr("")


@dataclass(frozen=True)
class Place:
    """A store's URL and its keys."""

    url: str
    access_key: str = ""
    secret_key: str = ""
    keys_in: str = "VOXLOOM_S3_"  # where the keys came from

    def open(self, make: bool = False) -> ObjectStore:
        """The store there; BadInput for a folder that does not exist, unless it is to be made."""
        folder = folder_of(self.url)
        if folder and not make and not folder.is_dir():
            raise BadInput(f"there is no folder {folder}; check the path, --data or VOXLOOM_STORE")
        try:
            return open_store(self.url, access_key=self.access_key, secret_key=self.secret_key)
        except BadInput as error:
            raise BadInput(str(error).replace("VOXLOOM_S3_", self.keys_in)) from error


def the_store(data: Path | None) -> Place:
    """The store to work on; NotReady when the voxloom on the folder keeps its objects elsewhere."""
    if data is None and not os.environ.get("VOXLOOM_STORE") and os.environ.get("VOXLOOM_DATA"):
        data = Path(os.environ["VOXLOOM_DATA"])
    config = load(_StoreConfig, **({"store": DataDir(data).store_url} if data else {}))
    running = DataDir(data).running() if data else None
    if running and folder_of(running.store) is None:
        raise NotReady(
            f"the voxloom on {data} keeps its store elsewhere; set VOXLOOM_STORE='{running.store}'"
        )
    return Place(
        config.store, config.s3_access_key.get_secret_value(), config.s3_secret_key.get_secret_value()
    )


def other_place(text: str) -> Place:
    """A backup: a path or a URL as it was typed, with the keys of VOXLOOM_BACKUP_S3_*."""
    if "://" not in text:
        return Place(Path(text).expanduser().absolute().as_uri())
    parts = urlsplit(text)
    if parts.username or parts.password:
        raise BadInput("keys do not belong in the URL; set VOXLOOM_BACKUP_S3_ACCESS_KEY and _SECRET_KEY")
    if parts.scheme != "s3":
        return Place(text)
    config = load(_StoreConfig)
    keys = (config.backup_s3_access_key.get_secret_value(), config.backup_s3_secret_key.get_secret_value())
    if not all(keys):
        raise BadInput(
            "an S3 backup needs VOXLOOM_BACKUP_S3_ACCESS_KEY and VOXLOOM_BACKUP_S3_SECRET_KEY, or the same "
            "with _FILE and the path of a file"
        )
    return Place(text, *keys, keys_in="VOXLOOM_BACKUP_S3_")


@contextmanager
def held(place: Place) -> Iterator[None]:
    """Keeps a folder for this process: no voxloom works on it, and no second copy is made into it."""
    folder = folder_of(place.url)
    if folder is None:
        yield
        return
    data = DataDir(folder)
    if running := data.running():
        raise NotReady(f"a voxloom runs on {folder} (process {running.pid}); stop it first")
    with data.lock():
        yield
