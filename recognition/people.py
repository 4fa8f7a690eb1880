"""Known people: enrolled by photos, merged, deleted. Every change reaches every worker before its next search."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import QuerySet

from recognition import gallery, photos
from recognition.models import KnownFace, Person, Photo


class CannotMerge(Exception):
    """These two people cannot become one; the text says why."""


def known_people() -> "QuerySet[Person]":
    """Return the people who stand for themselves, not merged into another."""
    return Person.objects.filter(merged_into=None)


def merge(person: Person, *, into: Person) -> None:
    """Make `person` one with `into`: known faces move, and watch-lists that name the one mean the other as well.

    The row of `person` stays and points to `into`, so that alerts keep their history. Raises CannotMerge.
    """
    if person.pk == into.pk:
        raise CannotMerge("A person cannot be merged into themselves.")
    if into.merged_into_id or person.merged_into_id:
        raise CannotMerge("One of the two was merged already; use the person it was merged into.")
    with transaction.atomic():
        revision = gallery.next_revision()
        KnownFace.objects.filter(person=person).update(person=into, revision=revision)
        Person.objects.filter(merged_into=person).update(merged_into=into)
        Person.objects.filter(pk=person.pk).update(merged_into=into)
    person.merged_into = into


def forget_faces(known_faces: Iterable[KnownFace]) -> int:
    """Remove known faces with the enrolment photos that they came from; return how many."""
    gone = list(known_faces)
    enrolments = list(
        Photo.objects.filter(
            faces__known_as__in=[known.pk for known in gone], purpose=Photo.Purpose.ENROLMENT
        )
    )
    with transaction.atomic():
        gallery.remove(gone)
        photos.delete_photos(enrolments)
    return len(gone)


def delete_people(people: Iterable[Person]) -> int:
    """Remove people, those merged into them, and their enrolment photos, faces, sightings and alerts."""
    ids = [person.pk for person in people]
    with transaction.atomic():
        ids += Person.objects.filter(merged_into__in=ids).values_list("pk", flat=True)
        gallery.remove(KnownFace.objects.filter(person__in=ids))
        photos.delete_photos(Photo.objects.filter(person__in=ids))
        Person.objects.filter(pk__in=ids).delete()
    return len(ids)
