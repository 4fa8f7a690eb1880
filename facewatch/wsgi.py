"""The entry point for web servers."""

import os
import signal

from django.core.wsgi import get_wsgi_application

from facewatch import streams
from ledger.processes import die_with_parent

if os.environ.get("FACEWATCH_SUPERVISED"):
    # A web server's own worker would live on and keep the port when the server is killed.
    die_with_parent(signal.SIGTERM)
streams.end_with_process()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "facewatch.settings")
application = get_wsgi_application()
