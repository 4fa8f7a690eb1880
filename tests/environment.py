"""Loaded by pytest before Django's settings: the tests keep their data in a folder that goes when they end."""

import os
import tempfile
from pathlib import Path

from tests import servers

_folder = tempfile.TemporaryDirectory(prefix="facewatch-tests-", ignore_cleanup_errors=True)

for _name in [name for name in os.environ if name.startswith("FACEWATCH_")]:
    if not _name.startswith("FACEWATCH_REQUIRE_"):
        del os.environ[_name]
for _name in ("DATABASE_URL", "REDIS_URL", "EMAIL_URL", "STORAGE_URL"):
    os.environ.pop(_name, None)
if servers.ARE_USED:
    os.environ |= servers.environment()
os.environ["FACEWATCH_DATA_DIR"] = _folder.name
os.environ["FACEWATCH_LOG_LEVEL"] = "WARNING"
# WhiteNoise warns about a folder of static files that is not there.
(Path(_folder.name) / "static").mkdir()
