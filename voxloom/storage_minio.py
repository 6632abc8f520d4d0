"""The object store port on any S3 server, through the minio SDK."""

import base64
import contextlib
import hashlib
import io
import logging
import random
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from itertools import islice, pairwise
from typing import BinaryIO, cast
from urllib.parse import parse_qs, urlsplit

import urllib3
from minio import Minio
from minio.error import S3Error
from urllib3.exceptions import HTTPError

from voxloom.errors import BadInput, Conflict, NotFound
from voxloom.keys import check_key
from voxloom.storage_port import ObjectInfo, check_page, created, walk
from voxloom.storage_s3_errors import Refused, error_of, translated
from voxloom.storage_streams import ChunkReader, ResumingBody
from voxloom.threads import ordered_map

log = logging.getLogger(__name__)

_PART_BYTES = 16 << 20  # S3 allows 10,000 parts: 160 GB in one stream
_CHUNK_BYTES = 1 << 20
_TRIES = 6
_PARALLEL_PUTS = 4
_TRANSIENT = (500, 502, 503, 504)
_TIMEOUT = urllib3.Timeout(connect=5.0, read=60.0)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class MinioStore:
    """Objects in a bucket, below an optional prefix.

    The SDK has no conditional put, so puts go to a presigned URL with If-None-Match or If-Match. Reads and
    writes are tried again for some seconds. SeaweedFS lists folder by folder instead of by key: it is listed
    level by level and sorted here.
    """

    def __init__(
        self,
        endpoint: str,
        bucket: str,
        prefix: str = "",
        *,
        access_key: str,
        secret_key: str,
        region: str = "",
        make: bool = True,
    ) -> None:
        try:
            url = urlsplit(endpoint)
            _ = url.port
        except ValueError as error:
            raise BadInput(f"S3 endpoint {endpoint!r} cannot be read: {error}") from error
        if url.scheme not in ("http", "https") or not url.netloc or url.path.strip("/"):
            raise BadInput(
                f"S3 endpoint {endpoint!r} is not allowed; expected http://host:port or https://host"
            )
        if not _BUCKET.fullmatch(bucket):
            raise BadInput(
                f"S3 bucket {bucket!r} is not allowed; expected 3 to 63 small letters, digits, '-', '.'"
            )
        self._where = f"bucket {bucket!r} of {endpoint}"
        self._bucket = bucket
        self._base = check_key(prefix) + "/" if prefix else ""
        retry = urllib3.Retry(
            _TRIES - 1,
            backoff_factor=0.1,
            backoff_jitter=0.1,
            status_forcelist=_TRANSIENT,
            allowed_methods=None,
        )
        self._http = urllib3.PoolManager(timeout=_TIMEOUT, maxsize=16, retries=retry)
        try:
            self._client = Minio(
                url.netloc,
                access_key or None,
                secret_key or None,
                secure=url.scheme == "https",
                region=region or None,
                http_client=self._http,
            )
            self._find_bucket(make)
        except Refused as error:
            raise BadInput(str(error)) from error
        except ValueError as error:
            raise BadInput(f"{self._where} cannot be opened: {error}") from error
        self._lists_by_folder = self._is_seaweed(endpoint)

    @classmethod
    def from_url(cls, url: str, access_key: str, secret_key: str, *, make: bool = True) -> "MinioStore":
        """`s3://bucket[/prefix]?endpoint=http://host:port[&region=...]`"""
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        unknown = sorted(options.keys() - {"endpoint", "region"})
        if not parts.netloc or "endpoint" not in options or unknown:
            raise BadInput(
                f"store URL {url!r} is not usable{f' (unknown: {unknown})' if unknown else ''};"
                " expected s3://bucket[/prefix]?endpoint=http://host:port[&region=...]"
            )
        return cls(
            options["endpoint"],
            parts.netloc,
            parts.path.strip("/"),
            access_key=access_key,
            secret_key=secret_key,
            region=options.get("region", ""),
            make=make,
        )

    def put(self, key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None) -> str:
        name = self._name(key)
        headers = {
            "Content-MD5": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        }
        if if_absent:
            headers["If-None-Match"] = "*"
        if if_match is not None:
            headers["If-Match"] = f'"{if_match}"'
        try:
            with self._translated(key):
                return self._put(key, name, data, headers)
        except NotFound as error:  # what S3 says of If-Match without an object
            raise Conflict(f"{key} has changed since it was read: it is gone") from error

    def put_new(self, objects: Mapping[str, bytes]) -> set[str]:
        puts = ordered_map(lambda item: created(self, *item), objects.items(), _PARALLEL_PUTS)
        with contextlib.closing(puts) as new:
            return {key for key, is_new in zip(objects, new, strict=True) if not is_new}

    def put_stream(self, key: str, chunks: Iterable[bytes]) -> str:
        name, source = self._name(key), ChunkReader(chunks)
        try:
            with self._translated(key):
                written = self._client.put_object(
                    self._bucket,
                    name,
                    cast(BinaryIO, source),
                    length=-1,
                    part_size=_PART_BYTES,
                    num_parallel_uploads=1,
                )
                return str(written.etag)
        except Exception:
            if source.error is not None:  # the upload is given up because of what the caller's chunks raised
                raise source.error from None
            raise

    def get(self, key: str) -> bytes:
        return self.get_with_etag(key)[0]

    def get_with_etag(self, key: str) -> tuple[bytes, str]:
        with self._read(key) as body:
            return body.readall(), body.etag

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        return cast(BinaryIO, io.BufferedReader(self._read(key), _CHUNK_BYTES))

    def stat(self, key: str) -> ObjectInfo:
        name = self._name(key)
        with self._translated(key):
            found = self._client.stat_object(self._bucket, name)
        return ObjectInfo(key, int(found.size or 0), str(found.etag))

    def list_page(self, prefix: str, *, start_after: str = "", limit: int = 1000) -> list[ObjectInfo]:
        check_page(prefix, start_after, limit)
        with self._translated(prefix):
            if not self._lists_by_folder:
                page = list(islice(self._flat(prefix, start_after), limit))
                found = [start_after, *(info.key for info in page)]
                if all(one < other for one, other in pairwise(found)):
                    return page
                log.warning("%s does not list by key; it is listed folder by folder from now on", self._where)
                self._lists_by_folder = True
            below = walk(self._level, prefix, start_after)
            return [info for _, info in islice(below, limit) if info]

    def delete(self, key: str) -> None:
        name = self._name(key)
        with contextlib.suppress(NotFound), self._translated(key):
            self._client.remove_object(self._bucket, name)

    def _read(self, key: str) -> ResumingBody:
        name = self._name(key)

        def request(headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
            with self._translated(key):
                return self._client.get_object(self._bucket, name, request_headers=dict(headers))

        return ResumingBody(request, key)

    def _name(self, key: str) -> str:
        return check_key(self._base + check_key(key))

    def _flat(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        found = self._client.list_objects(
            self._bucket,
            self._base + prefix,
            recursive=True,
            start_after=self._base + after if after else None,
        )
        for item in found:
            key = str(item.object_name)[len(self._base) :]
            with contextlib.suppress(BadInput):  # put there by another program
                yield ObjectInfo(check_key(key), int(item.size or 0), str(item.etag))

    def _level(self, folder: str) -> Iterator[tuple[str, ObjectInfo | None]]:
        for item in self._client.list_objects(self._bucket, self._base + folder, recursive=False):
            path = str(item.object_name)[len(self._base) :]
            with contextlib.suppress(BadInput):
                check_key(path.removesuffix("/"))
                info = None if path.endswith("/") else ObjectInfo(path, int(item.size or 0), str(item.etag))
                yield path[len(folder) :], info

    def _put(self, key: str, name: str, data: bytes, headers: dict[str, str]) -> str:
        """Tries until there is an answer. A try whose answer got lost can make the next one lose to it."""
        for attempt in range(_TRIES):
            last = attempt == _TRIES - 1
            try:
                url = self._client.get_presigned_url("PUT", self._bucket, name, timedelta(hours=1))
                answer = self._http.request(
                    "PUT", url, body=data, headers=headers, retries=False, redirect=False
                )
                if answer.status == 200:
                    return str(answer.headers.get("etag", "")).strip('"')
                if answer.status not in _TRANSIENT or last:
                    if attempt and answer.status in (409, 412) and (etag := self._etag_if(key, data)):
                        return etag
                    raise error_of(answer)
            except HTTPError:
                if last:
                    raise
            time.sleep(0.1 * 2**attempt * random.uniform(0.5, 1.0))
        raise AssertionError("the last try returns or raises")

    def _etag_if(self, key: str, data: bytes) -> str | None:
        try:
            found, etag = self.get_with_etag(key)
        except NotFound:
            return None
        return etag if found == data else None

    def _find_bucket(self, make: bool) -> None:
        with self._translated(""):
            if self._client.bucket_exists(self._bucket):
                return
            if not make:
                raise NotFound(f"there is no {self._where}; make it, or check its name")
            try:
                self._client.make_bucket(self._bucket)
            except S3Error:
                if not self._client.bucket_exists(self._bucket):  # else another client was faster
                    raise

    def _is_seaweed(self, endpoint: str) -> bool:
        with self._translated(""):
            answer = self._http.request("HEAD", f"{endpoint.rstrip('/')}/{self._bucket}/")
        return "seaweedfs" in str(answer.headers.get("server", "")).lower()

    def _translated(self, key: str) -> AbstractContextManager[None]:
        return translated(self._where, key)
