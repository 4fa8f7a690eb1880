"""Files as objects of an S3: each PUT is whole or absent, and whatever goes wrong outside is StorageUnavailable."""

import errno
import io
import os
import random
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import IO, Any, cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files import File
from django.core.files.base import ContentFile
from storages.backends.s3 import S3Storage
from storages.utils import ReadBytesWrapper, clean_name
from urllib3.exceptions import HTTPError

from ledger.leases import StorageUnavailable

#: Seconds to wait for a connection, and for an answer; and how often one request is sent at the most. Together less
#: than the 25 s that a server which is told to end waits for its answers.
CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 2, 10, 2
#: Connections that are kept: as many as the web server has threads.
CONNECTIONS = 64
#: Bytes that are asked for at once: most pictures come with one request, and of an archive no more is held in memory.
BLOCK_BYTES = 2**20
#: After so many requests in a row that nobody answered a server is left alone, for so many seconds; then one request
#: tries it, for as long as that may take, before all do.
FAILURES, BREAK_SECONDS, TRY_SECONDS = 2, 5.0, 25.0
#: What servers answer that have no room left, by code (MinIO, Ceph) or status.
NO_ROOM = ("XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded")
INSUFFICIENT_STORAGE = 507
NOT_FOUND, RANGE_NOT_SATISFIABLE = 404, 416


class Breaker:
    """Leaves a server alone for a while that does not answer, so that a hung one does not hold every thread."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0
        self._lock = threading.Lock()

    def allows(self) -> bool:
        """Return whether the server may be asked now; of many who ask at once when the time is over, one may."""
        with self._lock:
            if self._failures < FAILURES:
                return True
            now = time.monotonic()
            if now < self._until:
                return False
            self._until = now + TRY_SECONDS
            return True

    def answered(self) -> None:
        """Note that the server answers, whatever it says."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """Note that a request had no answer."""
        with self._lock:
            self._failures += 1
            self._until = time.monotonic() + BREAK_SECONDS


class ObjectStorage(S3Storage):
    """Objects of one bucket, under a prefix. None has a public address, and saving under a name replaces it.

    A folder is what the names of objects begin with: it is there while there is an object in it.
    """

    def __init__(self, **options: Any) -> None:
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=CONNECTIONS,
            tcp_keepalive=True,
            signature_version="s3v4",
            # The server compares what it got with the signed digest. Newer checksums are unknown to many servers.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={
                "payload_signing_enabled": True,
                "addressing_style": options.get("addressing_style", "auto"),
            },
        )
        # What the environment has belongs together, and boto3 finds it by itself.
        super().__init__(client_config=config, security_token=None, session_profile=None, **options)
        self._breaker = Breaker()
        self._lock = threading.Lock()
        self._client: Any = None
        self._owner = 0

    @property
    def client(self) -> Any:
        """boto3's client: one for all threads of a process (each takes 0.1 s and 10 MB), and none is inherited."""
        with self._lock:
            if self._owner != os.getpid():
                self._client = self._create_session().client(
                    "s3",
                    region_name=self.region_name,
                    endpoint_url=self.endpoint_url,
                    config=self.client_config,
                )
                self._owner = os.getpid()
            return self._client

    def fetch(self, key: str, *, start: int, size: int, etag: str = "") -> tuple[bytes, int, str]:
        """Return up to `size` bytes of an object from `start` on, its whole length, and its ETag.

        Raises FileNotFoundError, and StorageUnavailable: also if the object was replaced since it had that ETag.
        """
        options = {"IfMatch": etag} if etag else {}
        with self._asked(key):
            try:
                answer = self.client.get_object(
                    **self._named(key), Range=f"bytes={start}-{start + size - 1}", **options
                )
            except ClientError as error:
                if _status(error) != RANGE_NOT_SATISFIABLE:
                    raise
                # An empty object has no range at all.
                return b"", 0, ""
            data: bytes = answer["Body"].read()
        whole = answer.get("ContentRange", f"/{len(data)}").rpartition("/")[2]
        return data, int(whole), answer["ETag"]

    def _open(self, name: str, mode: str = "rb") -> "File[Any]":
        if mode != "rb":
            raise ValueError("Objects are opened to be read; save them whole.")
        # An IO in all but its class.
        return File(cast("IO[bytes]", ObjectFile(self, self._key(name))), name)

    def _save(self, name: str, content: "File[Any]") -> str:
        name = clean_name(name)
        # By its name: what a sender says of it is not kept.
        parameters = self._get_write_parameters(name)
        content.seek(0)
        # Django's files are as good as none while they have no name, and botocore would sign an empty body.
        body = ReadBytesWrapper(content)
        with self._asked(name):
            self.client.put_object(**self._named(self._key(name)), Body=body, **parameters)
        return name

    def delete(self, name: str) -> None:
        """Remove an object; one that is not there is no error."""
        with self._asked(name):
            self.client.delete_object(**self._named(self._key(name)))

    def exists(self, name: str) -> bool:
        """Return whether there is an object of this name, or a folder."""
        key = self._key(name)
        found = self._first(key)
        if not found or found == key or found.startswith(f"{key}/"):
            return bool(found)
        # Names such as that of a folder with an ending come before what is in it.
        return bool(self._first(f"{key}/"))

    def listdir(self, name: str) -> tuple[list[str], list[str]]:
        """Return the names of the folders and the files in a folder. Raises FileNotFoundError if there is none."""
        key = self._key(name).rstrip("/")
        root = f"{key}/" if key else ""
        folders: list[str] = []
        files: list[str] = []
        for page in self._pages(Prefix=root, Delimiter="/"):
            folders += (one["Prefix"][len(root) : -1] for one in page.get("CommonPrefixes", ()))
            files += (one["Key"][len(root) :] for one in page.get("Contents", ()))
        if not (folders or files):
            raise FileNotFoundError(errno.ENOENT, "There is no such folder", name)
        return folders, files

    def size(self, name: str) -> int:
        return int(self._head(name)["ContentLength"])

    def get_modified_time(self, name: str) -> datetime:
        modified: datetime = self._head(name)["LastModified"]
        return modified

    def url(self, name: str | None, *_: Any, **__: Any) -> str:
        raise ValueError("Photos have no public address; link to the view that checks permission.")

    def walk(self, folder: str) -> Iterator[tuple[str, list[str]]]:
        """Yield the lowest folders with the names of their files, once round from a place of chance.

        A request lists a thousand objects: to list each folder by itself takes a hundred times as many.
        """
        root = self._key(folder).rstrip("/") + "/"
        middle = f"{root}{random.randrange(256):02x}"  # noqa: S311 (no secret)
        for after, until in ((middle, f"{root}\U0010ffff"), (root, middle)):
            yield from self._folders(root, after=after, until=until)

    def _folders(self, root: str, *, after: str, until: str) -> Iterator[tuple[str, list[str]]]:
        """Yield the folders under `root` between two names, each with its files."""
        inside = len(self._key("x")) - 1
        current, files = "", list[str]()
        for page in self._pages(Prefix=root, StartAfter=after):
            for one in page.get("Contents", ()):
                folder, _, file = one["Key"].rpartition("/")
                if folder != current and files:
                    yield current[inside:], files
                    files = []
                if one["Key"] > until:
                    return
                current = folder
                files.append(file)
        if files:
            yield current[inside:], files

    def probe(self) -> None:
        """Raise StorageUnavailable if the bucket does not answer."""
        self._first(self._key(""))

    def try_out(self) -> None:
        """Write an object, read and remove it. Raises OSError where that is not possible."""
        name = f".facewatch-{uuid.uuid4().hex}"
        self.save(name, ContentFile(b"tried out"))
        with self.open(name) as file:
            file.read()
        self.delete(name)
        self.probe()

    def _key(self, name: str) -> str:
        return str(self._normalize_name(clean_name(name)))

    def _named(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket_name, "Key": key}

    def _head(self, name: str) -> dict[str, Any]:
        with self._asked(name):
            answer: dict[str, Any] = self.client.head_object(**self._named(self._key(name)))
        return answer

    def _first(self, prefix: str) -> str:
        """Return the first name that begins so, or an empty text. Unlike HEAD, it tells a bucket that is missing."""
        with self._asked(prefix):
            page = self.client.list_objects_v2(Bucket=self.bucket_name, Prefix=prefix, MaxKeys=1)
        return next((str(one["Key"]) for one in page.get("Contents", ())), "")

    def _pages(self, **options: str) -> Iterator[dict[str, Any]]:
        """Yield the pages of a list, each when it is asked for."""
        further: dict[str, Any] = {}
        while True:
            with self._asked(options["Prefix"]):
                page = self.client.list_objects_v2(Bucket=self.bucket_name, **(options | further))
            yield page
            if not page.get("IsTruncated"):
                return
            further = {"ContinuationToken": page["NextContinuationToken"]}

    @contextmanager
    def _asked(self, name: str) -> Iterator[None]:
        """Ask the server: raises FileNotFoundError, OSError where there is no room, and StorageUnavailable."""
        if not self._breaker.allows():
            raise StorageUnavailable(
                "The object storage did not answer just now, and is left alone"
            )
        try:
            yield
        except ClientError as error:
            self._breaker.answered()
            raise _translated(error, name) from error
        except (BotoCoreError, HTTPError) as error:
            self._breaker.failed()
            text = f"The object storage does not answer ({type(error).__name__})"
            raise StorageUnavailable(text) from error
        self._breaker.answered()


class ObjectFile(io.BufferedIOBase):
    """An object that is read in blocks, from wherever it is asked; no more than one block is kept.

    Opening it reads the first block, and raises what `ObjectStorage.fetch` raises.
    """

    def __init__(self, storage: ObjectStorage, key: str) -> None:
        super().__init__()
        self._storage, self._key = storage, key
        self._position = self._start = 0
        self._block, self.size, self._etag = storage.fetch(key, start=0, size=BLOCK_BYTES)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place, and ask for nothing yet. Raises OSError, as a file does, for one before the beginning."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, "There is nothing before the beginning")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Return so many bytes, fewer only at the end; all that is left if no size is given."""
        end = self.size if size is None or size < 0 else min(self._position + size, self.size)
        parts = []
        while self._position < end:
            self._have(self._position, wanted=end - self._position)
            at = self._position - self._start
            part = self._block[at : at + end - self._position]
            parts.append(part)
            self._position += len(part)
        # What is larger was asked for at once, and is the caller's now.
        if len(self._block) > BLOCK_BYTES:
            self._block = b""
        return b"".join(parts)

    def read1(self, size: int = -1) -> bytes:
        return self.read(size)

    def _have(self, position: int, *, wanted: int) -> None:
        """Fetch the block at a position unless it is there. An object that has become shorter is not read on."""
        if self._start <= position < self._start + len(self._block):
            return
        size = min(max(BLOCK_BYTES, wanted), self.size - position)
        data, _, _ = self._storage.fetch(self._key, start=position, size=size, etag=self._etag)
        if not data:
            raise StorageUnavailable("An object was replaced while it was read")
        self._block, self._start = data, position


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _translated(error: ClientError, name: str) -> OSError:
    """Return what an answer of the server means."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code == "NoSuchKey" or (_status(error) == NOT_FOUND and code in ("404", "NotFound")):
        return FileNotFoundError(errno.ENOENT, "There is no such object", name)
    if code in NO_ROOM or _status(error) == INSUFFICIENT_STORAGE:
        return OSError(errno.ENOSPC, "The object storage has no room")
    return StorageUnavailable(f"The object storage refuses {error.operation_name} ({code})")
