from datetime import UTC, datetime, timedelta

import pytest

from recognition import keyset
from recognition.models import Photo
from tests import make

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def walk(*, size: int) -> list[list[Photo]]:
    pages, before = [], ""
    while True:
        page = keyset.newest_first(Photo.objects.all(), before=before, size=size)
        pages.append(page.rows)
        if not page.older:
            return pages
        before = page.older


def test_pages_hold_every_row_once_newest_first() -> None:
    photos = [make.photo(created_at=NOON + timedelta(minutes=minute)) for minute in range(5)]
    assert walk(size=2) == [photos[:2:-1], photos[2:0:-1], photos[:1]]


def test_rows_of_the_same_moment_are_not_lost_between_two_pages() -> None:
    photos = {make.photo(created_at=NOON) for _ in range(5)}
    pages = walk(size=2)
    assert [len(rows) for rows in pages] == [2, 2, 1]
    assert {row for rows in pages for row in rows} == photos


def test_a_row_that_came_in_since_does_not_shift_the_next_page() -> None:
    old, new = (make.photo(created_at=NOON + timedelta(minutes=minute)) for minute in range(2))
    first = keyset.newest_first(Photo.objects.all(), before="", size=1)
    make.photo(created_at=NOON + timedelta(hours=1))
    second = keyset.newest_first(Photo.objects.all(), before=first.older, size=1)
    assert (first.rows, second.rows, second.older) == ([new], [old], "")


@pytest.mark.parametrize(
    "cursor", ["nonsense", "2026-01-01_x", f"2026-01-01T12:00:00_{'0' * 32}", "_", "\x00"]
)
def test_a_senseless_cursor_gives_the_newest(cursor: str) -> None:
    photo = make.photo()
    assert keyset.newest_first(Photo.objects.all(), before=cursor, size=1).rows == [photo]
