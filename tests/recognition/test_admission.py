"""Nobody's thousands keep somebody else's photo waiting, and what comes in bulk waits for everybody."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile

from ledger import queues, sweep
from recognition import admission, photos, tasks
from recognition.models import Photo
from tests import make
from tests.api.conftest import picture

pytestmark = pytest.mark.usefixtures("empty_queue")


@pytest.fixture(autouse=True)
def media(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


def store(owner: Any, *, number: int, bulk: bool = False) -> Photo:
    """A photo of one's own bytes, stored and queued as every way in does."""
    file = ContentFile(picture(size=(40 + number, 30)).read(), name="photo.jpg")
    photo = photos.store_photo(file, owner=owner, bulk=bulk).photo
    tasks.wake_photo(photo)
    return photo


def taken() -> list[str]:
    """The photos in the order in which one worker would take them from the queue."""
    order = []
    while task := queues.huey.dequeue():
        order.append(task.args[0])
    return order


@pytest.mark.django_db(transaction=True)
def test_a_late_owners_photo_is_among_the_first_of_three_hundred() -> None:
    greedy, modest = make.user("greedy"), make.user("modest")
    for number in range(300):
        store(greedy, number=number)
    late = store(modest, number=0)
    order = taken()
    assert len(order) == 301
    assert order.index(str(late.pk)) <= 1


@pytest.mark.django_db(transaction=True)
def test_a_queue_that_was_lost_comes_back_as_fair_as_it_was() -> None:
    greedy, modest = make.user("greedy"), make.user("modest")
    for number in range(30):
        store(greedy, number=number)
    late = store(modest, number=0)
    queues.huey.flush()
    sweep.sweep()
    order = taken()
    assert len(order) == 31
    assert order.index(str(late.pk)) <= 1


@pytest.mark.django_db(transaction=True)
def test_bulk_photos_wait_for_all_others_in_both_stages() -> None:
    robot, person = make.user("robot"), make.user("person")
    bulk = [store(robot, number=number, bulk=True) for number in range(5)]
    for number in range(40):
        make.photo(stage="uploaded", owner=person, sha256=f"{number:064}")
    last = store(person, number=0)
    Photo.objects.filter(pk=bulk[0].pk).update(stage="detected")
    bulk[0].refresh_from_db()
    tasks.wake_photo(bulk[0])
    assert last.priority < -3
    assert taken()[:2] == [str(last.pk), str(bulk[0].pk)]


@pytest.mark.django_db
def test_all_interactive_work_comes_before_all_bulk_work() -> None:
    least_interactive = queues.DETECT - admission.MOST_STEPS_BACK
    most_bulk = queues.RECOGNISE + admission.BULK
    assert least_interactive > most_bulk
    assert queues.DETECT + admission.BULK - admission.MOST_STEPS_BACK_IN_BULK > 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("waiting", "steps"), [(0, 0), (1, 1), (2, 1), (3, 2), (6, 2), (7, 3), (62, 5), (63, 6)]
)
def test_each_doubling_of_what_an_owner_has_waiting_is_a_step_back(
    waiting: int, steps: int
) -> None:
    owner = make.user("uma")
    for _ in range(waiting):
        make.photo(stage="uploaded", owner=owner)
        make.photo(stage="detected", owner=owner, priority=admission.BULK)
    make.photo(owner=owner)
    make.photo(stage="uploaded", owner=make.user("vic"))
    assert admission.priority(owner=owner, bulk=False) == -steps
    assert admission.priority(owner=owner, bulk=True) == admission.BULK - steps // 2


@pytest.mark.django_db
def test_a_night_of_bulk_does_not_put_back_the_photo_that_its_owner_uploads() -> None:
    owner = make.user("uma")
    for number in range(9):
        store(owner, number=number, bulk=True)
    assert store(owner, number=10).priority == 0
