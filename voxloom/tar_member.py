"""A file as a tar holds it, without times, owners and modes: the same content gives the same bytes."""

import tarfile

END = bytes(2 * tarfile.BLOCKSIZE)


def header(name: str, num_bytes: int) -> bytes:
    """Goes before the content; a name of any bytes is kept."""
    info = tarfile.TarInfo(name)
    info.size = num_bytes
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def padding(num_bytes: int) -> bytes:
    """Goes after the content."""
    return bytes(-num_bytes % tarfile.BLOCKSIZE)
