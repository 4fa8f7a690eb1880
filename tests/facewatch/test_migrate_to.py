"""The database copied into a real PostgreSQL: equal, again and again, and nothing else is touched."""

import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connections

from facewatch.moving import MovingError, databases, mirroring
from facewatch.moving.tables import carried
from facewatch.storage import DurableStorage
from ledger import serve
from recognition import photos
from recognition.models import Person, Photo, Sighting, Tombstone
from tests import make, servers
from tests.databases import only_sqlite
from tests.facewatch import moving
from tests.ports import free_port
from tests.s3_server import SECRET_KEY, S3Server
from tests.storages import Use


@pytest.fixture
def url() -> str:
    """A target in which the tables are there, and nothing else."""
    return moving.prepared_target()


def migrate(url: str, *options: str) -> str:
    output = StringIO()
    call_command("migrate-to", url, *options, stdout=output, stderr=StringIO())
    return output.getvalue()


def there(url: str) -> dict[str, tuple[int, str]]:
    """What the target holds."""
    with databases.target(url) as alias:
        return moving.contents(alias)


def query(url: str, sql: str) -> Any:
    with psycopg.connect(url) as connection:
        found = connection.execute(sql.encode())
        return found.fetchall() if found.description else None


def test_an_empty_database_becomes_equal_in_every_table(living: Path) -> None:
    url = servers.postgres().create()
    said = migrate(url)
    assert there(url) == moving.contents()
    assert "Now set DATABASE_URL=" in said
    # As PostgreSQL itself has it.
    assert query(url, "SELECT count(*) FROM recognition_photo") == [(Photo.objects.count(),)]
    assert query(url, "SELECT password FROM auth_user WHERE username = 'uma'") == [
        (User.objects.get(username="uma").password,)
    ]
    assert "differs" not in migrate(url, "--verify")


def test_a_second_call_takes_what_was_added_changed_and_deleted(living: Path, url: str) -> None:
    migrate(url)
    ada = Person.objects.get(name__startswith="Ada")
    one, other = (make.face(photo=make.photo()) for _ in "ab")
    first = make.sighting(person=ada, face=one, rank=1)
    second = make.sighting(person=ada, face=other, rank=1)
    migrate(url)
    # What must be unique passes from one row to another.
    Sighting.objects.filter(pk=first.pk).update(person=make.person("Somebody"), rank=2)
    Sighting.objects.filter(pk=second.pk).update(photo=one.photo, face=one)
    Person.objects.filter(pk=ada.pk).update(merged_into=make.person("Later"))
    photos.delete_photos([Photo.objects.get(source="gate")])
    make.user("later")
    said = migrate(url)
    assert "0 removed" not in said
    assert there(url) == moving.contents()
    assert "(0 stored now, 0 removed)" in migrate(url)


def test_unfinished_work_of_an_older_moment_is_put_right(living: Path, url: str) -> None:
    """As a call leaves it that was killed between the batches."""
    with databases.target(url) as target, databases.snapshot() as source:
        mirroring.claim(source=source, target=target, tick=lambda _: None)
        for table in carried():
            mirroring._fill(table, source=source, target=target, tick=lambda _: None)
    face = Photo.objects.get(source="gate").faces.get()
    number = face.pk
    face.delete()
    assert make.face(photo=face.photo, index=face.index).pk != number
    migrate(url)
    assert there(url) == moving.contents()


def test_no_number_is_given_a_second_time(living: Path, url: str) -> None:
    migrate(url)
    (buried,) = Tombstone.objects.values_list("known_face_id", flat=True)
    sequence = "pg_get_serial_sequence('recognition_knownface', 'id')"
    assert query(url, f"SELECT nextval({sequence})")[0][0] > buried
    query(url, "INSERT INTO recognition_tombstone (known_face_id, revision) VALUES (1, 1)")


def test_it_is_told_whether_what_comes_in_is_missed(living: Path, url: str) -> None:
    with serve.lock(Path(settings.DATA_DIR)):
        said = migrate(url)
    assert "Stop it, and call this again." in said
    assert "DATABASE_URL" not in said


def test_a_password_is_not_repeated(living: Path, url: str) -> None:
    said = migrate(url.replace("facewatch@", "facewatch:hidden@"))
    assert "facewatch:…@" in said
    assert "hidden" not in said


def test_photos_go_along_into_another_folder(living: Path, url: str, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    migrate(url, "--media", str(folder))
    place = DurableStorage(location=str(folder))
    assert moving.files(place) == moving.files()
    name = Photo.objects.get(purpose="enrolment").picture_name
    default_storage.save(name, ContentFile(b"anew"))
    with pytest.raises(CommandError, match="Not equal: 0 tables, 1 files"):
        migrate(url, "--verify", "--media", str(folder))
    migrate(url, "--media", str(folder))
    migrate(url, "--verify", "--media", str(folder))


def test_photos_go_along_into_a_bucket(
    living: Path, url: str, s3: S3Server, use_storage: Use
) -> None:
    before, bucket = moving.files(), s3.url(prefix="moved")
    said = migrate(url, "--media", bucket)
    assert "STORAGE_URL=s3://" in said
    assert SECRET_KEY not in said
    migrate(url, "--verify", "--media", bucket)
    use_storage(bucket)
    assert moving.files() == before


def test_a_place_that_is_none_is_one_line(living: Path, url: str) -> None:
    with pytest.raises(CommandError, match=r"^--media names a storage of a kind that is not known"):
        migrate(url, "--media", "ftp://host/photos")


def test_verify_names_what_differs_and_changes_nothing(living: Path, url: str) -> None:
    migrate(url)
    before = there(url)
    make.person("Another")
    output = StringIO()
    with pytest.raises(CommandError, match="Not equal: 1 tables"):
        call_command("migrate-to", url, "--verify", stdout=output)
    (line,) = [line for line in output.getvalue().splitlines() if "differs" in line]
    assert "recognition.Person" in line
    assert there(url) == before


@only_sqlite
@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"notes": "zero \0 byte"}, "NUL"), ({"name": "n" * 201}, "value too long")],
    ids=["zero byte", "too long"],
)
def test_a_row_that_postgresql_refuses_is_named(
    living: Path, url: str, fields: dict[str, str], reason: str
) -> None:
    person = make.person("Odd")
    Person.objects.filter(pk=person.pk).update(**fields)
    with pytest.raises(CommandError) as refused:
        migrate(url)
    assert f"recognition.Person {person.pk} cannot be stored" in str(refused.value)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    # Put right, it goes on.
    Person.objects.filter(pk=person.pk).update(name="Odd", notes="")
    migrate(url)
    assert there(url) == moving.contents()


def test_a_target_on_which_facewatch_has_worked_is_left_alone(living: Path, url: str) -> None:
    migrate(url)
    query(url, "UPDATE recognition_person SET name = 'changed there'")
    with pytest.raises(CommandError, match="has worked on the target since"):
        migrate(url)
    assert query(url, "SELECT DISTINCT name FROM recognition_person") == [("changed there",)]


def test_a_target_with_data_of_its_own_is_left_alone(living: Path, url: str) -> None:
    query(url, "INSERT INTO recognition_tombstone (known_face_id, revision) VALUES (1, 1)")
    with pytest.raises(CommandError, match=r"not empty \(it has rows of recognition\.Tombstone\)"):
        migrate(url)
    assert query(url, "SELECT count(*) FROM recognition_tombstone") == [(1,)]


def test_a_copy_of_another_installation_is_left_alone(living: Path, url: str) -> None:
    migrate(url)
    before = there(url)
    moving.other_installation()
    make.person("Another")
    with pytest.raises(CommandError, match="copy of another installation"):
        migrate(url)
    assert there(url) == before


def test_tables_of_something_else_are_left_alone(living: Path) -> None:
    url = servers.postgres().create()
    query(url, "CREATE TABLE letters (body text)")
    with pytest.raises(CommandError, match="tables of something else"):
        migrate(url)
    tables = query(url, "SELECT relname FROM pg_stat_user_tables")
    assert tables == [("letters",)]


def test_tables_of_another_version_are_left_alone(living: Path, url: str) -> None:
    query(url, "INSERT INTO django_migrations (app, name, applied) VALUES ('ledger', '9', now())")
    with pytest.raises(CommandError, match="tables of another version"):
        migrate(url)


def test_two_at_once_do_not_share_a_target(living: Path, url: str) -> None:
    with psycopg.connect(url) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [mirroring.LOCK])
        with pytest.raises(CommandError, match="under way"):
            migrate(url)


@pytest.mark.parametrize("wrong", ["sqlite:///x", "mysql://host/x", "host:5432/x"])
def test_what_is_no_postgresql_is_refused(living: Path, wrong: str) -> None:
    with pytest.raises(CommandError, match="is no PostgreSQL: give postgres://"):
        migrate(wrong)


def test_a_target_that_does_not_answer_is_one_line(living: Path) -> None:
    with pytest.raises(CommandError, match="does not let us in") as refused:
        migrate(f"postgres://facewatch@127.0.0.1:{free_port()}/x")
    assert "\n" not in str(refused.value)


def test_a_user_who_may_make_no_tables_is_told_what_to_grant(living: Path) -> None:
    url = servers.postgres().create()
    if not query(url, "SELECT 1 FROM pg_roles WHERE rolname = 'reader'"):
        query(url, "CREATE ROLE reader LOGIN")
    with pytest.raises(CommandError, match="GRANT CREATE ON SCHEMA public TO reader"):
        migrate(url.replace("facewatch@", "reader@"))


def test_a_target_without_all_letters_is_refused(living: Path) -> None:
    url = servers.postgres().url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS narrow")
        connection.execute("CREATE DATABASE narrow ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(CommandError, match="texts in LATIN1"):
        migrate(servers.postgres().url_of("narrow"))


@pytest.fixture
def as_default(url: str) -> Iterator[str]:
    """The URL of the database that DATABASE_URL names."""
    config = connections["default"].settings_dict
    kept = {name: config[name] for name in ("HOST", "PORT", "NAME")}
    host, _, name = url.rpartition("@")[2].partition("/")
    config |= {"HOST": host.partition(":")[0], "PORT": host.partition(":")[2], "NAME": name}
    yield url
    config |= kept


def test_the_same_database_is_refused(living: Path, as_default: str) -> None:
    with (
        pytest.raises(MovingError, match="nothing to move"),
        databases.target(as_default),
    ):
        raise AssertionError("it was let in")


def test_a_backup_of_one_engine_restores_on_the_other(
    living: Path, url: str, tmp_path: Path
) -> None:
    rows = moving.contents()
    call_command("export", str(tmp_path / "backup"), stdout=StringIO())
    environment = {
        "PATH": "/usr/bin:/bin",
        "FACEWATCH_DATA_DIR": str(tmp_path / "other"),
        "DATABASE_URL": url,
    }
    restored = subprocess.run(
        [sys.executable, "manage.py", "import", str(tmp_path / "backup"), "--moved"],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "equal to the backup" in restored.stdout
    assert there(url) == rows
    back = tmp_path / "back"
    subprocess.run(
        [sys.executable, "manage.py", "export", str(back)],
        cwd=settings.BASE_DIR,
        env=environment,
        check=True,
        capture_output=True,
    )
    moving.wipe()
    call_command("import", str(back), "--moved", stdout=StringIO())
    assert moving.contents() == rows
