"""Enrolling from an archive in the admin: what is told before, what is done, and who may."""

import io
import re
from collections.abc import Mapping
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from recognition import batches, live
from recognition.admin.folders import squashed
from recognition.engine import Engine
from recognition.gallery import Gallery
from recognition.models import Batch, Person, Photo
from tests import make
from tests.admin.conftest import told
from tests.archives import packed
from tests.pictures import small_copy

SEND = "/admin/recognition/person/archive/"
JPEG = b"\xff\xd8 pixels"


def page_of(batch: Batch) -> str:
    return reverse("admin:recognition_batch", args=[batch.pk])


def text_of(client: Client, address: str) -> str:
    """What a page says, without its marks, in single spaces."""
    html = client.get(address).content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def sent(client: Client, files: Mapping[str, bytes]) -> Batch:
    response = client.post(SEND, {"archive": packed(files)})
    batch = Batch.objects.latest("created_at")
    assert response["Location"] == page_of(batch)
    return batch


def change(client: Client, batch: Batch, verb: str) -> Any:
    return client.post(reverse("admin:recognition_batch_change", args=[batch.pk, verb]))


def test_the_preview_tells_whom_it_adds_and_what_it_passes_over(
    client: Client, manager: Any
) -> None:
    ada = make.person("Ada Lovelace")
    for _ in range(3):
        make.known_face(ada)
    make.person("Grace HOPPER")
    batch = sent(
        client,
        {
            "Ada_Lovelace/1.jpg": JPEG,
            "Ada_Lovelace/2.jpg": JPEG,
            "Grace Hopper/1.jpg": JPEG,
            "Grace Hopper/notes.txt": b"words",
            "Zoë/1.jpg": JPEG,
            "Zoë/2.jpg": JPEG,
            "loose.jpg": JPEG,
            "__MACOSX/Zoë/._1.jpg": b"",
        },
    )
    text = text_of(client, page_of(batch))
    assert "Nobody is enrolled yet" in text
    assert "People 3 2 new" in text
    assert "Photos to enrol 5" in text
    assert "Passed over 3" in text
    assert "Ada Lovelace add to 3 known faces" in text
    assert "Similar name: Grace HOPPER." in text
    assert text.count("One photo only") == 1
    assert "Zoë new" in text
    assert "Not in a person&#x27;s folder (1)" in text
    assert "Grace Hopper/notes.txt" in text
    assert "Enrol 5 photos" in text
    assert not Photo.objects.filter(stage="uploaded").exists()


def test_confirmed_it_is_followed_until_all_is_enrolled_or_refused(
    client: Client, manager: Any, photos_folder: Any, engine: Engine, known: Gallery, demo_file: Any
) -> None:
    batch = sent(
        client,
        {
            "Barack Obama/1.jpg": small_copy(number=1),
            "Barack Obama/cup.png": demo_file("coffee.png").read(),
            "Barack Obama/words.jpg": b"these are words",
        },
    )
    assert change(client, batch, "confirm")["Location"] == page_of(batch)
    assert "Workers take the photos in" in text_of(client, page_of(batch))
    before = live.batches(manager, [str(batch.pk)])
    batches.take_photos(batch.pk, then=lambda photo: None)
    assert live.batches(manager, [str(batch.pk)]) != before
    text = text_of(client, page_of(batch))
    assert "some are still being looked at" in text
    for photo in Photo.objects.all():
        make.recognised(photo, engine=engine, known=known)
    address = reverse("admin:recognition_batch_contents", args=[batch.pk])
    html = client.get(address).content.decode()
    person = Person.objects.get()
    assert reverse("admin:recognition_person_change", args=[person.pk]) in html
    text = text_of(client, address)
    assert "All photos are taken in and looked at." in text
    assert "1 enrolled 2 refused" in text
    assert "No face found (1)" in text
    assert "Barack Obama/cup.png : No face was found." in text
    assert "Barack Obama/words.jpg" in text


def test_thrown_away_it_is_gone_and_nobody_was_enrolled(client: Client, manager: Any) -> None:
    batch = sent(client, {"Ada/1.jpg": JPEG})
    assert change(client, batch, "discard")["Location"] == SEND
    assert not Batch.objects.exists()
    assert not Person.objects.exists()


def test_it_is_stopped_and_tried_again(client: Client, manager: Any) -> None:
    batch = sent(client, {"Ada/1.jpg": JPEG})
    Batch.objects.update(
        stage="failed", failed_stage="taking", error_code="worker_died", error_detail="Five times."
    )
    assert "Could not be looked at : Five times." in text_of(client, page_of(batch))
    change(client, batch, "retry")
    batch.refresh_from_db()
    assert batch.stage == "taking"
    change(client, batch, "stop")
    batch.refresh_from_db()
    assert batch.stage == "stopped"
    assert "somebody else was quicker" in told(change(client, batch, "confirm"))[-1]
    assert "Nothing was done" in told(change(client, batch, "explode"))[-1]
    assert (
        client.get(reverse("admin:recognition_batch_change", args=[batch.pk, "stop"])).status_code
        == 405
    )


@pytest.mark.parametrize(
    ("file", "told_so"),
    [
        (SimpleUploadedFile("people.zip", b"words"), "This is not a zip archive"),
        (packed({}), "The archive has no photo to enrol."),
        (packed({"1.jpg": JPEG, "2.jpg": JPEG}), "2 files: Not in a person&#x27;s folder"),
        (None, "Choose a zip archive."),
    ],
)
def test_what_cannot_be_taken_is_told_with_what_to_do(
    client: Client, manager: Any, file: Any, told_so: str
) -> None:
    if file:
        file.seek(0)
    response = client.post(SEND, {"archive": file} if file else {})
    assert response.status_code == 400
    assert told_so in response.content.decode()
    assert not Batch.objects.exists()


def test_an_archive_may_be_larger_than_a_photo_but_not_than_its_own_limit(
    client: Client, manager: Any, settings: Any
) -> None:
    files = {f"Ada/{number}.jpg": bytes([number]) * 50_000 for number in range(10)}
    settings.MAX_UPLOAD_BYTES = 100_000
    sent(client, files)
    for limit in (400_000, 450_000):
        # Told by the request's length, and by counting what arrives.
        settings.MAX_ARCHIVE_BYTES = limit
        response = client.post(SEND, {"archive": packed(files)})
        assert response.status_code == 413
        assert "larger than 0.4" in response.content.decode()
    assert Batch.objects.count() == 1


def test_the_form_is_protected_although_its_body_is_read_later(manager: Any) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(manager)
    careful.get(SEND)
    files = {"archive": packed({"Ada/1.jpg": JPEG})}
    assert careful.post(SEND, files).status_code == 403
    token = careful.cookies["csrftoken"].value
    files["archive"].seek(0)
    assert careful.post(SEND, files | {"csrfmiddlewaretoken": token}).status_code == 302


def test_a_full_disk_is_told_and_nothing_is_stored(
    client: Client, manager: Any, settings: Any
) -> None:
    settings.MIN_FREE_BYTES = 10**18
    response = client.post(SEND, {"archive": packed({"Ada/1.jpg": JPEG})})
    assert response.status_code == 503
    assert "Nothing was stored; send it again in about" in response.content.decode()


@pytest.mark.parametrize("role", ["operator", "uploader"])
def test_it_takes_who_may_add_people_and_known_faces(client: Client, db: None, role: str) -> None:
    batch = batches.store(packed({"Ada/1.jpg": JPEG}), owner=None)
    client.force_login(make.user("otto", role=role, is_staff=True))
    contents = reverse("admin:recognition_batch_contents", args=[batch.pk])
    for address in (SEND, page_of(batch), contents):
        assert client.get(address).status_code == 403
    assert client.post(SEND, {"archive": packed({"Ada/1.jpg": JPEG})}).status_code == 403
    assert change(client, batch, "confirm").status_code == 403
    assert SEND not in client.get("/admin/recognition/person/").content.decode()


def test_the_list_of_people_leads_there(client: Client, manager: Any) -> None:
    assert SEND in client.get("/admin/recognition/person/").content.decode()
    batch = sent(client, {"Ada/1.jpg": JPEG})
    assert page_of(batch) in client.get(SEND).content.decode()


@pytest.mark.parametrize("count", [1, 120])
def test_the_page_asks_the_same_number_of_questions(
    client: Client, manager: Any, count: int, django_assert_num_queries: Any
) -> None:
    files = {f"Person {number}/1.jpg": JPEG for number in range(count)}
    batch = sent(client, {**files, "Ada/notes.txt": b"words"})
    for number in range(count):
        make.known_face(make.person(f"Person {number}"))
    # Session, user, two of permissions, the archive, two of its version, folders, totals, people by name, those whom
    # files were given to, their faces, reasons and the files of one.
    with django_assert_num_queries(14):
        assert client.get(page_of(batch)).status_code == 200


def test_many_people_stand_on_several_pages(client: Client, manager: Any) -> None:
    batch = sent(client, {f"Person {number:03}/1.jpg": JPEG for number in range(101)})
    assert "Page 1 of 2" in text_of(client, page_of(batch))
    text = text_of(client, f"{page_of(batch)}?p=2")
    assert "Person 100" in text
    assert "Person 099" not in text


def test_names_are_alike_whatever_their_capitals_accents_and_signs() -> None:
    assert squashed("Zoë O'Brien-Müller") == squashed("zoe obrien muller")
    assert squashed("山田") == "山田"
    assert squashed("Ada") != squashed("Ida")


def test_the_words_of_an_archive_are_no_marks(client: Client, manager: Any) -> None:
    data = io.BytesIO(packed({"<b>Ada/1.jpg": JPEG}).read())
    batch = batches.store(SimpleUploadedFile("<i>.zip", data.getvalue()), owner=None)
    html = client.get(page_of(batch)).content.decode()
    assert "<b>Ada" not in html
    assert "<i>.zip" not in html
