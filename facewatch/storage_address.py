"""Where STORAGE_URL says that photos lie: in the data folder, in a folder that several machines share, or in an S3."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

#: What can be said of an S3 behind the question mark.
OPTIONS = {"endpoint", "region", "addressing"}
#: How a bucket may be called (S3's rules for names that fit into a host's).
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
#: How a bucket is asked for: within the path, or as a part of the host's name; `auto` leaves it to boto3.
ADDRESSING = ("path", "virtual", "auto")

_FORMS = (
    "Set it to s3://bucket/prefix?endpoint=https://…&region=…, to file:///mnt/faces/photos for a shared folder, "
    "or leave it out for the data folder."
)
_KEYS = (
    "Write s3://key:secret@bucket/prefix, with %2F for a slash and %2B for a plus sign in the secret; "
    "or leave both keys out, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
)


class BadAddress(ValueError):
    """The address cannot be used: the text says why, `hint` what to do. Neither repeats it: it may hold a secret."""

    def __init__(self, problem: str, *, hint: str = _FORMS) -> None:
        super().__init__(problem)
        self.hint = hint


@dataclass(frozen=True, kw_only=True)
class Address:
    """A place for files; with neither a folder nor a bucket it is the data folder. Its keys are never shown."""

    folder: Path | None = None
    bucket: str = ""
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    addressing: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    problem: BadAddress | None = None

    def backend(self) -> dict[str, Any]:
        """Return the entry of Django's STORAGES. One that cannot be used is refused when it is first asked for."""
        if self.problem:
            return {
                "BACKEND": "facewatch.storage.refuse",
                "OPTIONS": {"problem": f"{self.problem} {self.problem.hint}"},
            }
        if self.bucket:
            return {
                "BACKEND": "facewatch.object_storage.ObjectStorage",
                "OPTIONS": {
                    "bucket_name": self.bucket,
                    "location": self.prefix,
                    "endpoint_url": self.endpoint or None,
                    "region_name": self.region or ("us-east-1" if self.endpoint else None),
                    # A name of its own for each bucket is what few servers have but Amazon's.
                    "addressing_style": self.addressing or ("path" if self.endpoint else "auto"),
                    "access_key": self.access_key or None,
                    "secret_key": self.secret_key or None,
                },
            }
        if self.folder:
            return {
                "BACKEND": "facewatch.storage.SharedStorage",
                "OPTIONS": {"location": str(self.folder)},
            }
        return {"BACKEND": "facewatch.storage.DurableStorage"}


def read(url: str) -> Address:
    """Return the place that a STORAGE_URL names. A wrong one is no error yet, but an address with a `problem`."""
    try:
        return parse(url.strip())
    except BadAddress as problem:
        return Address(problem=problem)


def parse(url: str) -> Address:
    """Return the place that an address names; the empty one is the data folder. Raises BadAddress."""
    if not url:
        return Address()
    try:
        parts = urlsplit(url)
    except ValueError:
        raise BadAddress("STORAGE_URL is no address.") from None
    if parts.scheme == "file":
        return _folder(parts)
    if parts.scheme == "s3":
        return _bucket(parts)
    raise BadAddress("STORAGE_URL names a storage of a kind that is not known.")


def _folder(parts: SplitResult) -> Address:
    path = Path(unquote(parts.path))
    if parts.query or parts.fragment:
        raise BadAddress(
            "STORAGE_URL says more of a folder than its path.",
            hint="In its name write %3F for a question mark and %23 for a number sign.",
        )
    if parts.netloc or not path.is_absolute():
        hint = "Three slashes come before the first name: file:///mnt/faces/photos."
        raise BadAddress("STORAGE_URL names no absolute folder.", hint=hint)
    if ".." in path.parts or path == Path("/"):
        hint = "Name a folder of its own: file:///mnt/faces/photos."
        raise BadAddress("STORAGE_URL names no folder for photos alone.", hint=hint)
    return Address(folder=path)


def _bucket(parts: SplitResult) -> Address:
    keys, separator, bucket = parts.netloc.rpartition("@")
    access_key, _, secret_key = (unquote(part) for part in keys.partition(":"))
    if separator and not (access_key and secret_key):
        raise BadAddress("STORAGE_URL has one key of two.", hint=_KEYS)
    if not bucket:
        raise BadAddress("STORAGE_URL names no bucket.")
    if not BUCKET.fullmatch(bucket):
        raise BadAddress(
            "STORAGE_URL names no bucket that there can be: small letters, digits, dots and hyphens, 3 to 63.",
            hint=f"{_KEYS} The host of the server goes behind: ?endpoint=https://host:9000",
        )
    prefix = unquote(parts.path).strip("/")
    if ".." in prefix.split("/") or parts.fragment:
        raise BadAddress("STORAGE_URL has a prefix that leads elsewhere.")
    options = _options(parts.query)
    return Address(
        bucket=bucket,
        prefix=prefix,
        endpoint=options.get("endpoint", ""),
        region=options.get("region", ""),
        addressing=options.get("addressing", ""),
        access_key=access_key,
        secret_key=secret_key,
    )


def _options(query: str) -> dict[str, str]:
    found = dict(parse_qsl(query, keep_blank_values=True))
    hint = "Behind the question mark there may be endpoint=https://…, region=… and addressing=path or virtual."
    if set(found) - OPTIONS:
        raise BadAddress("STORAGE_URL has an option that is not known.", hint=hint)
    if found.get("addressing", "auto") not in ADDRESSING:
        raise BadAddress("STORAGE_URL has an addressing that is not known.", hint=hint)
    if "endpoint" in found and not _is_server(found["endpoint"]):
        raise BadAddress(
            "The endpoint in STORAGE_URL is no address of a server.",
            hint="Set it to endpoint=https://host:9000, without keys and without the bucket.",
        )
    return found


def _is_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # A port that is none raises as well.
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return named and parts.scheme in {"http", "https"} and "@" not in parts.netloc
