"""A real S3 on loopback (moto's server, a process of its own), which can hang, go on, and be gone.

It keeps its objects in memory: what is killed has forgotten them.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from tests.ports import free_port
from tests.server_process import ServerProcess

#: Seconds within which the server must answer, on a busy machine.
START_SECONDS = 30
#: The keys of the tests' own server; with letters that an address must not hold as they are.
ACCESS_KEY, SECRET_KEY = "tests", "a/secret+key"


class S3Server:
    """One server process on a port of its own, with a bucket."""

    bucket = "faces"

    def __init__(self) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}),
        )
        self._process = ServerProcess("The S3 server")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, *, prefix: str = "photos of ours", bucket: str = "") -> str:
        """Return what STORAGE_URL is for a part of the bucket."""
        keys = f"{ACCESS_KEY}:{quote(SECRET_KEY, safe='')}"
        path = f"{bucket or self.bucket}/{quote(prefix)}"
        return f"s3://{keys}@{path}?endpoint={quote(self.endpoint)}&region=us-east-1"

    def start(self) -> Self:
        """Start the server with an empty bucket; return once it answers."""
        # It ends with the tests, whatever ends them.
        self._process.hold(
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "ledger.processes", str(os.getpid())),
                    *(sys.executable, "-m", "moto.server", "--port", str(self.port)),
                ],
                cwd=Path(__file__).parent.parent,
                env=os.environ | {"MOTO_PORT": str(self.port)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        self._process.wait_for(self._make_bucket, refusal=BotoCoreError, seconds=START_SECONDS)
        return self

    def _make_bucket(self) -> None:
        self.client.create_bucket(Bucket=self.bucket)

    def names(self) -> set[str]:
        """Return the names of all objects."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {found["Key"] for page in pages for found in page.get("Contents", ())}

    def hang(self) -> None:
        """Let the server accept connections and answer none."""
        self._process.hang()

    def go_on(self) -> None:
        """Let a server that hangs answer again."""
        self._process.go_on()

    def stop(self) -> None:
        """End the server; its objects are gone."""
        self._process.kill()
        self.client.close()
