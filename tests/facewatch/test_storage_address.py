"""STORAGE_URL: what it says, and what is wrong with it, without a word of what it holds."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages

from facewatch import storage_address
from facewatch.storage_address import Address, BadAddress, parse
from tests import programs

SECRET = "hunter2/and+more"


def test_nothing_is_the_data_folder() -> None:
    assert parse("") == Address()
    assert parse("").backend() == {"BACKEND": "facewatch.storage.DurableStorage"}


def test_a_folder() -> None:
    assert parse("file:///mnt/our%20faces/").folder == Path("/mnt/our faces")


def test_a_bucket_of_amazon() -> None:
    found = parse("s3://faces/photos/?region=eu-central-1")
    assert found == Address(bucket="faces", prefix="photos", region="eu-central-1")
    options = found.backend()["OPTIONS"]
    assert (options["endpoint_url"], options["addressing_style"]) == (None, "auto")
    # boto3 finds them in its environment, or that of the machine.
    assert (options["access_key"], options["secret_key"]) == (None, None)


def test_a_bucket_of_another_server() -> None:
    found = parse("s3://key:hunter2%2Fand%2Bmore@faces?endpoint=https://s3.example.org:9000")
    assert (found.bucket, found.prefix, found.access_key) == ("faces", "", "key")
    assert found.secret_key == SECRET
    options = found.backend()["OPTIONS"]
    assert options["endpoint_url"] == "https://s3.example.org:9000"
    assert (options["addressing_style"], options["region_name"]) == ("path", "us-east-1")


def test_how_a_bucket_is_asked_for_can_be_said() -> None:
    url = "s3://faces?endpoint=https://s3.example.org&addressing=virtual"
    assert parse(url).backend()["OPTIONS"]["addressing_style"] == "virtual"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("gs://faces", "kind that is not known"),
        ("/mnt/faces", "kind that is not known"),
        ("s3:faces", "no bucket"),
        ("s3://", "no bucket"),
        ("s3://key:hunter2@", "no bucket"),
        ("s3://key@faces", "one key of two"),
        ("s3://:hunter2@faces", "one key of two"),
        # A slash that is not written as %2F ends the host.
        ("s3://key:hunter2/more@faces", "no bucket that there can be"),
        ("s3://host:9000/faces", "no bucket that there can be"),
        ("s3://Faces", "no bucket that there can be"),
        ("s3://faces/a/../b", "leads elsewhere"),
        ("s3://faces?endpiont=https://hunter2", "option that is not known"),
        ("s3://faces?addressing=hunter2", "addressing that is not known"),
        ("s3://faces?endpoint=hunter2:9000", "no address of a server"),
        ("s3://faces?endpoint=https://hunter2:port", "no address of a server"),
        ("s3://faces?endpoint=https://key:hunter2@host", "no address of a server"),
        ("s3://[hunter2", "no address"),
        ("file://mnt/faces", "no absolute folder"),
        ("file:mnt/faces", "no absolute folder"),
        ("file://", "no absolute folder"),
        ("file:///", "no folder for photos alone"),
        ("file:///mnt/../faces", "no folder for photos alone"),
        ("file:///mnt/faces?x=hunter2", "more of a folder than its path"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_repeated(url: str, says: str) -> None:
    with pytest.raises(BadAddress, match=says) as caught:
        parse(url)
    assert caught.value.hint
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_a_wrong_address_is_no_storage() -> None:
    address = storage_address.read("s3://key:hunter2@")
    with pytest.raises(ImproperlyConfigured, match="no bucket") as caught:
        storages.create_storage(address.backend())
    assert "hunter2" not in str(caught.value)


def test_keys_are_never_shown() -> None:
    assert "hunter2" not in repr(parse("s3://key:hunter2@faces"))


def printed(program: str, **environment: str) -> str:
    """What a program prints that has the settings."""
    code = f"from django.conf import settings; print({program})"
    return programs.printed(code, **environment).strip()


def test_it_can_be_kept_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("s3://key:hunter2@faces/photos\n")
    told = printed("settings.STORAGE", STORAGE_URL_FILE=str(tmp_path / "url"))
    assert "bucket='faces', prefix='photos'" in told
    assert "hunter2" not in told


def test_the_shared_folder_is_the_root_of_the_photos(tmp_path: Path) -> None:
    assert printed("settings.MEDIA_ROOT", STORAGE_URL=f"file://{tmp_path}") == str(tmp_path)
