"""Temporary files of processes that died go; those in use stay."""

import os
import time
from pathlib import Path

import pytest
from pytest_django import Settings

from facewatch import leftovers
from ledger import kinds

HOURS_AGO = time.time() - 7200


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, settings: Settings) -> tuple[Path, Path]:
    """The folders of uploads on their way and of mails."""
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "tmp"
    settings.MAIL_DIR = tmp_path / "mail"
    for folder in (settings.FILE_UPLOAD_TEMP_DIR, settings.MAIL_DIR):
        folder.mkdir()
    return settings.FILE_UPLOAD_TEMP_DIR, settings.MAIL_DIR


def old(path: Path) -> Path:
    path.write_bytes(b"half")
    os.utime(path, (HOURS_AGO, HOURS_AGO))
    return path


def test_an_old_upload_and_an_old_draft_of_a_mail_go(folders: tuple[Path, Path]) -> None:
    uploads, mails = folders
    left = [old(uploads / "x1.upload.jpg"), old(mails / ".20300101-0f.eml.part")]
    assert leftovers.remove_leftovers() == 2
    assert not any(path.exists() for path in left)


def test_what_is_being_written_and_whole_mails_stay(folders: tuple[Path, Path]) -> None:
    uploads, mails = folders
    kept = [uploads / "x2.upload.jpg", old(mails / "20300101-0f.eml"), old(uploads / "mine.txt")]
    kept[0].write_bytes(b"half")
    assert leftovers.remove_leftovers() == 0
    assert all(path.exists() for path in kept)


def test_folders_that_are_not_there_are_no_error(folders: tuple[Path, Path]) -> None:
    for folder in folders:
        folder.rmdir()
    assert leftovers.remove_leftovers() == 0
    assert leftovers._remove(folders[0] / "vanished.upload") is False


def test_the_sweep_does_it() -> None:
    assert leftovers.remove_leftovers in kinds.CHORES.values()
