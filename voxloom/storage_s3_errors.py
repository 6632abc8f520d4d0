"""What an S3 server or the way to it answers, as the errors of the object store port."""

import contextlib
from collections.abc import Iterator
from xml.etree.ElementTree import ParseError

import urllib3
from minio.error import MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError

from voxloom.errors import Conflict, NotFound, Unavailable, VoxloomError

_REFUSED = {
    "AccessDenied",
    "AuthorizationHeaderMalformed",
    "InvalidAccessKeyId",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
}
_MISSING = {"NoSuchKey", "NoSuchObject"}
_AILING = {"InternalError", "ServiceUnavailable", "XMinioStorageFull"}
_LOST_RACE = {"PreconditionFailed", "ConditionalRequestConflict", "OperationAborted"}


class Refused(Unavailable):
    """Wrong credentials: a fault of the configuration at the start, a passing one (a changed key) later."""


@contextlib.contextmanager
def translated(where: str, key: str) -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        raise _meaning(error, where, key) from error
    except (MinioException, HTTPError, ParseError, OSError) as error:
        raise Unavailable(f"{where} cannot be reached: {_brief(error)}") from error


def error_of(answer: urllib3.BaseHTTPResponse) -> MinioException:
    """The error in an answer that did not pass through the SDK."""
    try:
        return S3Error.fromxml(answer)
    except ParseError:
        return ServerError(f"HTTP status {answer.status}", answer.status)


def _meaning(error: S3Error, where: str, key: str) -> VoxloomError:
    code = str(error.code)
    if code in _MISSING:
        return NotFound(f"there is no object {key}")
    if code in _LOST_RACE:
        return Conflict(f"{key} exists already or has changed since it was read")
    if code in _REFUSED:
        return Refused(
            f"{where} refused the credentials ({code});"
            " check VOXLOOM_S3_ACCESS_KEY, VOXLOOM_S3_SECRET_KEY, and this machine's clock"
        )
    if code == "NoSuchBucket":
        return Unavailable(f"{where} is gone; it is made again when the service starts")
    hint = "; the server's log says why, and often its disk is full" if code in _AILING else ""
    return Unavailable(f"{where} answered {code}: {str(error.message).rstrip('.')}{hint}")


def _brief(error: Exception) -> str:
    """The cause at the end of urllib3's chain, in one line."""
    reason = getattr(error, "reason", None)
    return _brief(reason) if isinstance(reason, Exception) else (str(error) or type(error).__name__)[:300]
