"""Which paths an archive had so far: millions of them in a few dozen megabytes."""

import hashlib
from typing import Self

from voxloom.scratch import open_scratch


class Seen:
    """Hashes of 64 bits in a scratch database: two of three million paths share one once in four million
    archives, and then a clip is refused with a reason, not lost."""

    def __init__(self) -> None:
        self._db = open_scratch("CREATE TABLE seen (hash INTEGER PRIMARY KEY)", cache_mib=2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, path: str) -> bool:
        """True the first time."""
        added = self._db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (hash_of(path),))
        return added.rowcount == 1


def hash_of(text: str) -> int:
    """A signed 64-bit integer, the same everywhere and always."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
