"""The web server's entry point with streams that live for a moment, or without any place for one."""

import os

from facewatch import streams
from facewatch.wsgi import application

__all__ = ["application"]

streams.LIFETIME = float(os.environ["TEST_LIFETIME"])
streams.RETRY_SECONDS = 0.05
streams.LOOK_SECONDS = 0.1
streams.MOST_STREAMS = int(os.environ["TEST_STREAMS"])
