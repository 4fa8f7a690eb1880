"""Without a mail server, mails are files that any mail program opens."""

from email import message_from_bytes, policy
from pathlib import Path

import pytest
from django.core.mail import EmailMultiAlternatives, get_connection
from pytest_django import Settings


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    settings.MAIL_DIR = tmp_path / "mail"
    return tmp_path / "mail"


def send(*subjects: str) -> int:
    mails = []
    for subject in subjects:
        mail = EmailMultiAlternatives(subject, "Grüße\nin Text", to=["ops@example.org"])
        mail.attach_alternative("<p>Grüße in HTML</p>", "text/html")
        mails.append(mail)
    return int(get_connection("facewatch.mail.EmlBackend").send_messages(mails) or 0)


def test_each_mail_is_one_file_that_parses_with_both_parts(folder: Path) -> None:
    assert send("Eins") == 1
    (file,) = folder.glob("*.eml")
    mail = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert (mail["Subject"], mail["To"]) == ("Eins", "ops@example.org")
    bodies = {part.get_content_type(): part.get_content() for part in mail.iter_parts()}
    assert bodies["text/plain"].splitlines() == ["Grüße", "in Text"]
    assert "<p>Grüße in HTML</p>" in bodies["text/html"]


def test_lines_end_as_mail_demands(folder: Path) -> None:
    send("Eins")
    (file,) = folder.glob("*.eml")
    content = file.read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n")


def test_the_newest_mail_sorts_last_and_nothing_unfinished_stays(folder: Path) -> None:
    send("Eins", "Zwei")
    send("Drei")
    names = sorted(folder.iterdir())
    subjects = [message_from_bytes(file.read_bytes())["Subject"] for file in names]
    assert subjects == ["Eins", "Zwei", "Drei"]


def test_only_the_owner_of_the_service_can_read_mails(folder: Path) -> None:
    send("Eins")
    assert folder.stat().st_mode & 0o077 == 0
